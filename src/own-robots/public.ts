/** What a robot of ROBOTS_DIR is made of: `import { defineRobot, field } from 'bitrix24-directum-robots'`. */
export { findDocument } from '../documents/make/find-document.ts';
export { contract, type DocumentType, documentTypes } from '../documents/types/document-types.ts';
export { type ErrorCode, type LocalText, RobotFailure } from '../robot/failure.ts';
export { field } from '../robot/fields.ts';
export type { DirectumPort } from '../robot/ports/directum.ts';
export type { DocumentState } from '../robot/ports/document-state.ts';
export type { ItemSnapshot, PortalPort } from '../robot/ports/portal.ts';
export { defineRobot, type RobotContext, SALES_ITEMS } from '../robot/robot.ts';
