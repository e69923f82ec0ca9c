/** The attachment group that holds the document itself, by task type (contract F.2). */
export const documentGroups: Record<string, string> = {
  DocumentFlowTask: '4195347f-2ca3-4fdc-9460-c22609cc3abf',
  ApprovalTask: '08e1ef90-521f-41a1-a13f-c6f175007e54',
  FreeApprovalTask: 'cd77936e-884e-44bb-b869-9a60f9f5f2b4',
  SimpleTask: '6e1c8f1c-0d0f-4c02-9b0c-0a7c3f7d2a11',
};

/** The group of a document's addenda; the page gives no GUID of it, only that it is another one. */
export const addendaGroup = '852b3e7d-f178-47d3-8fad-a64021065cfd';

interface Line {
  approval: string;
  good: string;
  rework: string;
  reworkTask: string;
  again: string;
  signing: string;
}
export const lines: Record<string, Line> = {
  ApprovalTask: {
    approval: 'ApprovalAssignment',
    good: 'Approved',
    rework: 'ForRevision',
    reworkTask: 'ApprovalReworkAssignment',
    again: 'ForReapproving',
    signing: 'ApprovalSigningAssignment',
  },
  DocumentFlowTask: {
    approval: 'EntityApprovalAssignment',
    good: 'Approved',
    rework: 'ForRework',
    reworkTask: 'EntityReworkAssignment',
    again: 'ForReapproval',
    signing: 'SigningAssignment',
  },
  FreeApprovalTask: {
    approval: 'FreeApprovalAssignment',
    good: 'Approved',
    rework: 'ForRework',
    reworkTask: 'FreeApprovalReworkAssignment',
    again: 'Reworked',
    signing: 'FreeApprovalFinishAssignment',
  },
};

/** Comes after the signature where a rule has a registrar. */
export const registering = 'ApprovalRegistrationAssignment';

export const results: Record<string, string[]> = {
  ApprovalRegistrationAssignment: ['Execute', 'ForRevision'],
  ApprovalAssignment: ['Approved', 'ForRevision', 'Forward', 'WithSuggestions'],
  ApprovalSigningAssignment: ['Sign', 'ConfirmSign', 'ForRevision', 'Abort'],
  ApprovalReworkAssignment: ['ForReapproving', 'Forward'],
  FreeApprovalAssignment: ['Approved', 'ForRework', 'Forward'],
  FreeApprovalReworkAssignment: ['Reworked'],
  FreeApprovalFinishAssignment: ['Complete'],
  EntityApprovalAssignment: ['Approved', 'WithSuggestions', 'ForRework', 'Forward'],
  SigningAssignment: ['Sign', 'Reject', 'ForRework', 'Forward'],
  EntityReworkAssignment: ['ForReapproval', 'Forward'],
  SimpleAssignment: ['Complete'],
};
