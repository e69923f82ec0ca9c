import type { AnyRobot } from '../src/robot/robot.ts';
import { createContract } from './create-contract.ts';
import { createDocument } from './create-document.ts';
import { documentStatus } from './document-status.ts';
import { startApproval } from './start-approval.ts';
import { syncCounterparty } from './sync-counterparty.ts';
import { waitSignature } from './wait-signature.ts';

/** Every robot of the package, written by hand; a test compares the list with this folder. */
export const robots: readonly AnyRobot[] = [
  createContract,
  createDocument,
  syncCounterparty,
  waitSignature,
  startApproval,
  documentStatus,
];
