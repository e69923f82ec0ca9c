import { documentTypes } from '../../documents/types/document-types.ts';

/** Type GUIDs of cards in the web client (directum.md I). */
export const TYPE_GUID = {
  /** Base of the hierarchy of documents. */
  document: '58cca102-1e97-4f07-b6ac-fd866a8b7cb1',
  /** Base of the hierarchy: opens a card of any descendant, so the link of a card never depends on its type. */
  counterparty: '294767f1-009f-4fbd-80fc-f98c49ddc560',
  ApprovalTask: '100950d0-03d2-44f0-9e31-f9c8dfdf3829',
  FreeApprovalTask: '77f43035-9f23-4a19-9882-5a6a2cd5c9c7',
  DocumentFlowTask: 'c51a9c15-4449-4411-b17b-2ea3ce891ab6',
  /** Base of the hierarchy: opens an assignment of any kind. */
  assignment: '91cbfdc8-5d5d-465e-95a4-3235b8c01d5b',
} as const;

export interface Links {
  /** `entity` is the type of the card; without one, or one of no document type of ours, the base of the hierarchy opens it. */
  documentUrl(id: number, entity?: string): string;
  counterpartyUrl(id: number): string;
  taskUrl(id: number, type: 'ApprovalTask' | 'FreeApprovalTask' | 'DocumentFlowTask'): string;
  assignmentUrl(id: number): string;
}

const guidOf = (entity?: string) =>
  documentTypes.find((type) => type.entity === entity)?.guid ?? TYPE_GUID.document;

/** Links to cards for people (directum.md I): `{webUrl}/#/card/{typeGuid}/{id}`. */
export function createLinks(webUrl: string): Links {
  const base = webUrl.replace(/\/+$/, '');
  return {
    documentUrl: (id, entity) => `${base}/#/card/${guidOf(entity)}/${id}`,
    counterpartyUrl: (id) => `${base}/#/card/${TYPE_GUID.counterparty}/${id}`,
    taskUrl: (id, type) => `${base}/#/card/${TYPE_GUID[type]}/${id}`,
    assignmentUrl: (id) => `${base}/#/card/${TYPE_GUID.assignment}/${id}`,
  };
}
