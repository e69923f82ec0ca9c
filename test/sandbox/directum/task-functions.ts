import { type Fn, officialDocument, type World } from './function-args.ts';
import { bad, invented, Refusal } from './refusal.ts';

function employee(world: World, id: number, where: string): void {
  if (!world.store.find('Employee', id)) throw bad(`${where}. Employee with ID (${id}) not found.`);
}

const approvers = (ids: number[]) =>
  ids.map((id, at) => ({ $type: 'ApprovalTaskApprovers', Id: at + 1, Approver: id }));

/** Tasks are made and moved by functions only (contract D.2, D.4). */
export const taskFunctions: Fn[] = [
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
