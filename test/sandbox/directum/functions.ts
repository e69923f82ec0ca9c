import { sameCounterparties } from './counterparty-rules.ts';
import { calendarDay } from './dates.ts';
import { checkRegistration, saveDocument } from './document-rules.ts';
import type { Fn, World } from './function-args.ts';
import { type Generation, reaches } from './model.ts';
import { bad, invented, Refusal } from './refusal.ts';
import type { Entity } from './store.ts';
import { addRow, newBody } from './write.ts';

function officialDocument(world: World, id: number, where: string): Entity {
  const found = world.store.find('OfficialDocument', id);
  if (!found || !world.readable(found)) throw bad(`${where}. Document with ID (${id}) not found.`);
  return found;
}

function employee(world: World, id: number, where: string): void {
  if (!world.store.find('Employee', id)) throw bad(`${where}. Employee with ID (${id}) not found.`);
}

const approvers = (ids: number[]) =>
  ids.map((id, at) => ({ $type: 'ApprovalTaskApprovers', Id: at + 1, Approver: id }));

const find = (name: string, type: string, withTrrc: boolean): Fn => ({
  ...{ module: 'Parties', name, verb: 'GET', returns: 'longs', since: '4.8' },
  params: [
    ['tin', 'string', true],
    ...(withTrrc ? ([['trrc', 'string', true]] as Fn['params']) : []),
    ['name', 'string', true],
  ],
  run: ({ store }, args) => sameCounterparties(store, type, args.tin, args.trrc ?? null, args.name),
});

export const functions: Fn[] = [
  {
    ...{
      module: 'Docflow',
      name: 'GetCurrentCultureName',
      verb: 'GET',
      params: [],
      returns: 'string',
      since: '4.3',
    },
    run: () => 'ru-RU',
  },
  {
    ...{
      module: 'Company',
      name: 'IsCurrentUserAdmin',
      verb: 'GET',
      params: [],
      returns: 'bool',
      since: '4.11',
    },
    run: () => false,
  },
  {
    ...{ module: 'Docflow', name: 'GetDocumentKindIdByGuid', verb: 'GET', returns: 'long', since: '4.3' },
    params: [
      ['documentType', 'guid'],
      ['kindGuid', 'guid'],
    ],
    run({ store }, args) {
      const kind = store.list('DocumentKind').find((one) => one.$guid === args.kindGuid);
      if (!kind) throw new Refusal(500, 'Object reference not set to an instance of an object.');
      const type = store.find('DocumentType', kind.DocumentType);
      return kind.Status === 'Active' && type?.DocumentTypeGuid === args.documentType ? kind.Id : 0;
    },
  },
  find('GetCounterpartyIds', 'Counterparty', true),
  find('GetCompanyIds', 'Company', true),
  find('GetPersonIds', 'Person', false),
  {
    ...{ module: 'Docflow', name: 'CreateVersionFromTemplate', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['templateId', 'long'],
    ],
    run(world, { documentId, templateId }) {
      const { store } = world;
      const document = officialDocument(world, documentId, 'CreateVersionFromTemplate');
      const template = store.find('DocumentTemplate', templateId);
      if (!template) throw bad(`CreateVersionFromTemplate. Template with ID (${templateId}) not found.`);
      const source = template.Versions?.[0];
      if (!source?.Body)
        throw bad(
          `Failed to create document from template. Document ID (${documentId}), template ID (${templateId})`,
        );
      world.saving(document);
      // The template's words with the card's values, enough to see that the fields were filled.
      const party = store.find('Counterparty', document.Counterparty)?.Name ?? '';
      const words = source.Body.bytes
        .toString()
        .replaceAll('{Subject}', document.Subject ?? '')
        .replaceAll('{Counterparty}', party);
      const body = newBody(
        Buffer.from(words.replaceAll('{TotalAmount}', String(document.TotalAmount ?? ''))),
      );
      const versions = store.typeOf(document).props.get('Versions')!;
      addRow(store, document, versions, {
        AssociatedApplication: source.AssociatedApplication,
        Author: world.caller.user,
        Body: body,
      });
      document.Modified = store.now().toISOString();
    },
  },
  {
    ...{ module: 'Docflow', name: 'RegisterDocument', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['documentRegisterId', 'long'],
      ['registrationDate', 'time', true],
      ['registrationNumber', 'string', true],
      ['numberReservation', 'bool', true],
    ],
    run(world, args) {
      const { store } = world;
      const document = officialDocument(world, args.documentId, 'Register document');
      const register = store.find('DocumentRegister', args.documentRegisterId);
      if (!register)
        throw bad(`Register document. Document register with ID (${args.documentRegisterId}) not found.`);
      world.saving(document);
      const before = { ...document };
      const next = {
        ...document,
        DocumentRegister: register.Id,
        RegistrationNumber: args.registrationNumber,
      };
      next.RegistrationDate = calendarDay(args.registrationDate ?? store.now().toISOString(), world.offset);
      next.RegistrationState = args.numberReservation === true ? 'Reserved' : 'Registered';
      checkRegistration(store, next);
      saveDocument(store, next, before);
      Object.assign(document, next, { Modified: store.now().toISOString() });
    },
  },
  {
    ...{ module: 'Docflow', name: 'CreateApprovalTask', verb: 'POST', returns: 'long', since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['text', 'string', true],
      ['signatoryId', 'long', true],
      ['addApproverIds', 'longs'],
    ],
    run(world, { documentId, text, signatoryId, addApproverIds }) {
      const document = officialDocument(world, documentId, 'Create approval task');
      if (signatoryId !== null) employee(world, signatoryId, 'Create approval task');
      for (const id of addApproverIds) employee(world, id, 'Create free approval task');
      const rule = world.tasks.rule(document);
      if (!rule) throw invented('Не заполнено обязательное свойство "Регламент".');
      const fields = {
        ApprovalRule: rule.Id,
        Signatory: signatoryId,
        AddApprovers: approvers(addApproverIds),
        Iteration: 0,
      };
      return world.tasks.draft(
        'ApprovalTask',
        world.caller,
        `Согласование: ${document.Name}`,
        text,
        [documentId],
        fields,
      );
    },
  },
  {
    ...{ module: 'Docflow', name: 'CreateFreeApprovalTask', verb: 'POST', returns: 'long', since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['text', 'string', true],
      ['deadline', 'time', true],
      ['approverIds', 'longs'],
    ],
    run(world, { documentId, text, deadline, approverIds }) {
      const document = officialDocument(world, documentId, 'Create free approval task');
      for (const id of approverIds) employee(world, id, 'Create free approval task');
      if (approverIds.length === 0)
        throw bad('Create free approval task. List of approvers should contain at least one approver.');
      const fields = { MaxDeadline: deadline, Approvers: approvers(approverIds) };
      return world.tasks.draft(
        'FreeApprovalTask',
        world.caller,
        `Согласование: ${document.Name}`,
        text,
        [documentId],
        fields,
      );
    },
  },
  {
    ...{ module: 'Docflow', name: 'CreateSimpleTask', verb: 'POST', returns: 'long', since: '4.3' },
    params: [
      ['assignmentType', 'string'],
      ['subject', 'string'],
      ['deadline', 'time', true],
      ['importance', 'string'],
      ['text', 'string', true],
      ['performerIds', 'longs'],
      ['observerIds', 'longs'],
      ['documentIds', 'longs'],
    ],
    run(world, args) {
      for (const id of args.documentIds) officialDocument(world, id, 'Create simple task');
      for (const id of args.performerIds) employee(world, id, 'Create simple task');
      if (args.performerIds.length === 0)
        throw bad('Create simple task. List of performers should contain at least one performer.');
      if (
        !['Assignment', 'Notice'].includes(args.assignmentType) ||
        !['Low', 'Normal', 'High'].includes(args.importance)
      )
        throw new Refusal(400, 'Элемент перечисления недопустим', true);
      const steps = args.performerIds.map((id: number, at: number) => ({
        $type: 'SimpleTaskRouteSteps',
        Id: at + 1,
        Performer: id,
      }));
      const observers = args.observerIds.map((id: number, at: number) => ({
        $type: 'TaskObservers',
        Id: at + 1,
        Observer: id,
      }));
      const fields = {
        AssignmentType: args.assignmentType,
        Importance: args.importance,
        RouteSteps: steps,
        Observers: observers,
      };
      const dates = { Deadline: args.deadline, MaxDeadline: args.deadline };
      return world.tasks.draft('SimpleTask', world.caller, args.subject, args.text, args.documentIds, {
        ...fields,
        ...dates,
      });
    },
  },
  {
    ...{
      module: 'DocflowApproval',
      name: 'CreateDocumentFlowTask',
      verb: 'POST',
      returns: 'long',
      since: '4.11',
    },
    params: [
      ['documentId', 'long'],
      ['text', 'string', true],
      ['addApproverIds', 'longs'],
    ],
    run(world, { documentId, text, addApproverIds }) {
      const document = officialDocument(world, documentId, 'Create document flow task');
      for (const id of addApproverIds) employee(world, id, 'Create document flow task');
      const fields = {
        AddApprovers: approvers(addApproverIds),
        ProcessKind: world.store.list('ProcessKind')[0]?.Id ?? null,
      };
      return world.tasks.draft(
        'DocumentFlowTask',
        world.caller,
        `Согласование по процессу: ${document.Name}`,
        text,
        [documentId],
        fields,
      );
    },
  },
  {
    ...{
      module: 'Docflow',
      name: 'StartTask',
      verb: 'POST',
      params: [['taskId', 'long']],
      returns: null,
      since: '4.3',
    },
    run({ store, tasks, caller }, { taskId }) {
      const task = store.find('Task', taskId);
      if (!task) throw bad(`Start task. Task with ID (${taskId}) not found.`);
      tasks.start(task, caller);
    },
  },
  {
    ...{ module: 'Docflow', name: 'CompleteAssignment', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['assignmentId', 'long'],
      ['result', 'string'],
    ],
    run({ store, tasks, caller }, { assignmentId, result }) {
      const assignment = store.find('Assignment', assignmentId);
      if (!assignment) throw bad(`Complete assignment. Assignment with ID (${assignmentId}) not found.`);
      tasks.complete(assignment, result, caller.user);
    },
  },
];

export const available = (generation: Generation) => functions.filter((fn) => reaches(generation, fn.since));
