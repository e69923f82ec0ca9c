import { saveRegistration, settle } from './document-rules.ts';
import type { World } from './function-args.ts';
import { defaultRegister, registerFits, registrars } from './registration.ts';
import { type Entity, lastVersion } from './store.ts';
import { documentOf, tasksOf } from './task-documents.ts';
import { registering } from './task-lines.ts';
import { newBody } from './write.ts';

export interface People {
  /** Everybody asked to approve does; in a free approval a second call is the author finishing it. */
  approve(taskId: number): void;
  requestRework(taskId: number, comment?: string): void;
  /** Completes the reworking, so approval starts anew. */
  resubmit(taskId: number): void;
  /** Signs the last version, completing the signing assignment where one is open; `confirmOnly` leaves no e-signature, `pdf` makes a public body. */
  sign(documentId: number, options?: { by?: number; confirmOnly?: boolean; pdf?: Buffer }): void;
  refuseToSign(taskId: number): void;
  /**
   * One performer completes one assignment with a result of contract F.4 and perhaps a comment; the task goes on from
   * there. `Sign` puts the e-signature as well, as the card does.
   */
  complete(assignmentId: number, result: string, comment?: string): void;
  /** The performer hands the assignment on to another employee; the id of the new assignment. */
  forward(assignmentId: number, employeeId: number, comment?: string): number;
  abortTask(taskId: number): void;
  signByCounterparty(documentId: number): void;
  refuseByCounterparty(documentId: number): void;
  /** Somebody opens the card (null: all cards are closed again). */
  lockCard(documentId: number | null): void;
  deleteDocument(id: number): void;
  /**
   * A clerk registers a document by hand; empty = the register of its setting (else the first that fits), today, the next
   * number. `reserve` only keeps the number. Completes the registration assignment where one is open.
   */
  register(
    documentId: number,
    by?: { register?: number; number?: string; date?: string; reserve?: boolean },
  ): void;
  /** A clerk takes a registration back. */
  unregister(documentId: number): void;
  /** The bytes of the last version are gone from the storage: reading them is 500. */
  loseBody(documentId: number): void;
}

const approvals = ['ApprovalAssignment', 'FreeApprovalAssignment', 'EntityApprovalAssignment'];
const signings = ['ApprovalSigningAssignment', 'SigningAssignment'];
const reworks: Record<string, string> = {
  ApprovalReworkAssignment: 'ForReapproving',
  FreeApprovalReworkAssignment: 'Reworked',
  EntityReworkAssignment: 'ForReapproval',
};

export function people({ store, tasks, caller }: World, cards: Set<number>): People {
  const find = (type: string, id: number): Entity => {
    const found = store.find(type, id);
    if (!found) throw new Error(`sandbox: no ${type} ${id}`);
    return found;
  };
  const open = (taskId: number, types: string[]) =>
    tasks.open(taskId).filter((one) => types.includes(one.$type));
  const someone = (taskId: number, types: string[]): Entity => {
    const [first] = open(taskId, types);
    if (!first) throw new Error(`sandbox: nobody holds such an assignment of task ${taskId}`);
    return first;
  };
  return {
    approve(taskId) {
      const asked = open(taskId, approvals);
      for (const one of asked) tasks.complete(one, 'Approved', one.Performer);
      if (asked.length > 0) return;
      const finish = someone(taskId, ['FreeApprovalFinishAssignment']);
      tasks.complete(finish, 'Complete', finish.Performer);
    },
    requestRework(taskId, comment) {
      const one = someone(taskId, [...approvals, ...signings]);
      const result = one.$type.startsWith('Approval') ? 'ForRevision' : 'ForRework';
      tasks.complete(one, result, one.Performer, comment);
    },
    resubmit(taskId) {
      const one = someone(taskId, Object.keys(reworks));
      tasks.complete(one, reworks[one.$type] ?? '', one.Performer);
    },
    sign(documentId, options = {}) {
      const document = find('OfficialDocument', documentId);
      const running = tasksOf(store, documentId).filter((task) => task.Status === 'InProcess');
      const assignment = running.flatMap((task) => open(task.Id, signings))[0];
      const by = options.by ?? assignment?.Performer ?? store.list('SignatureSetting')[0]?.Recipient;
      if (!options.confirmOnly) tasks.sign(document, by);
      const version = lastVersion(document);
      if (options.pdf && version) version.PublicBody = newBody(options.pdf);
      if (!assignment) return;
      const confirmed = options.confirmOnly && assignment.$type === 'ApprovalSigningAssignment';
      tasks.complete(assignment, confirmed ? 'ConfirmSign' : 'Sign', by);
    },
    refuseToSign(taskId) {
      const one = someone(taskId, signings);
      tasks.complete(one, one.$type === 'SigningAssignment' ? 'Reject' : 'Abort', one.Performer);
    },
    complete(assignmentId, result, comment) {
      const one = find('Assignment', assignmentId);
      const task = find('Task', one.Task);
      tasks.complete(one, result, one.Performer, comment);
      const document = documentOf(store, task);
      if (result === 'Sign' && document) tasks.sign(document, one.Performer);
    },
    forward(assignmentId, employeeId, comment) {
      const to = find('Employee', employeeId);
      return tasks.forward(find('Assignment', assignmentId), to.Id, comment).Id;
    },
    abortTask: (taskId) => tasks.abort(find('Task', taskId)),
    signByCounterparty(documentId) {
      const document = find('OfficialDocument', documentId);
      Object.assign(document, { ExternalApprovalState: 'Signed', Modified: store.now().toISOString() });
      settle(document);
    },
    refuseByCounterparty(documentId) {
      const document = find('OfficialDocument', documentId);
      Object.assign(document, { ExternalApprovalState: 'Unsigned', Modified: store.now().toISOString() });
    },
    lockCard(documentId) {
      if (documentId === null) cards.clear();
      else cards.add(documentId);
    },
    register(documentId, by = {}) {
      const document = find('OfficialDocument', documentId);
      const registers = store.list('DocumentRegister');
      const chosen = by.register
        ? find('DocumentRegister', by.register)
        : (defaultRegister(store, document) ?? registers.find((one) => registerFits(store, one, document)));
      if (!chosen) throw new Error(`sandbox: no register fits document ${documentId}`);
      const fields = {
        DocumentRegister: chosen.Id,
        RegistrationNumber: by.number ?? null,
        RegistrationDate: by.date ?? store.now().toISOString().slice(0, 10),
        RegistrationState: by.reserve ? 'Reserved' : 'Registered',
      };
      saveRegistration(store, document, fields, registrars(store, chosen)?.[0] ?? caller.user);
      for (const task of tasksOf(store, documentId))
        for (const one of open(task.Id, [registering])) tasks.complete(one, 'Execute', one.Performer);
    },
    unregister(documentId) {
      const nothing = {
        DocumentRegister: null,
        RegistrationNumber: null,
        RegistrationDate: null,
        Index: null,
      };
      const fields = { ...nothing, RegistrationState: 'NotRegistered' };
      saveRegistration(store, find('OfficialDocument', documentId), fields, caller.user);
    },
    deleteDocument: (id) => store.delete('ElectronicDocument', find('ElectronicDocument', id).Id),
    loseBody(documentId) {
      const body = find('ElectronicDocument', documentId).Versions?.at(-1)?.Body;
      if (!body) throw new Error('sandbox: no body to lose');
      body.lost = true;
    },
  };
}
