import type { Caller } from './document-rules.ts';
import { settle } from './document-rules.ts';
import { invented, Refusal } from './refusal.ts';
import { type Entity, lastVersion, type Store } from './store.ts';
import { attachAddenda, checkRule, documentOf, signatoryOf, stageDeadline } from './task-documents.ts';
import { lines, registering, results } from './task-lines.ts';
import { addRow } from './write.ts';

/** The life of tasks after their draft: start, assignments, and what each step writes on the document. */
export class Tasks {
  private readonly store: Store;
  /** A card open on somebody's screen is skipped by background saves (contract E.1). */
  private readonly locked: (documentId: number) => boolean;
  private readonly changeable: (document: Entity) => boolean;

  constructor(
    store: Store,
    locked: (documentId: number) => boolean,
    changeable: (document: Entity) => boolean,
  ) {
    this.store = store;
    this.changeable = changeable;
    this.locked = locked;
  }

  private now = () => this.store.now().toISOString();

  start(task: Entity, caller: Caller): void {
    const { store } = this;
    if (task.Status !== 'Draft') throw invented(`Задача «${task.Subject}» уже стартована.`);
    if (caller.employee === null) throw invented('Автором задачи должен быть сотрудник.');
    const document = documentOf(store, task);
    if (task.$type !== 'SimpleTask' && !document) throw invented('Вложенный документ не найден.');
    if (document && task.$type !== 'SimpleTask' && !this.changeable(document))
      throw invented('Нет прав на изменение документа.');
    if (document && task.$type === 'ApprovalTask') checkRule(store, task, document);
    if (document && task.$type === 'DocumentFlowTask' && signatoryOf(store, task, document) === null)
      throw invented('Не удалось вычислить исполнителя задания на подписание.');
    Object.assign(task, {
      Status: 'InProcess',
      Started: this.now(),
      StartedBy: caller.user,
      Modified: this.now(),
      Iteration: 1,
    });
    if (task.$type === 'SimpleTask') {
      for (const row of task.RouteSteps ?? []) this.simple(task, row.Performer);
      if (task.AssignmentType === 'Notice') task.Status = 'Completed';
      return;
    }
    if (document) attachAddenda(store, task, document);
    if (task.$type === 'DocumentFlowTask' && document?.LifeCycleState === 'Obsolete')
      document.LifeCycleState = 'Draft';
    const rule = store.find('ApprovalRule', task.ApprovalRule);
    const people = [...(rule?.Approvers ?? []), ...(task.AddApprovers ?? []), ...(task.Approvers ?? [])];
    task.$people = [...new Set(people.map((row: Entity) => row.Approver as number))];
    this.round(task);
  }

  private simple(task: Entity, performer: number): void {
    const common = {
      Subject: task.Subject,
      Created: this.now(),
      Modified: this.now(),
      Author: task.Author,
      Performer: performer,
      Task: task.Id,
      MainTask: task.Id,
      IsRead: false,
      Importance: task.Importance,
      ThreadSubject: task.ThreadSubject,
    };
    if (task.AssignmentType === 'Notice')
      this.store.put({ $type: 'Notice', Id: this.store.nextId('Notice'), ...common });
    else this.assign(task, 'SimpleAssignment', performer, task.Subject);
  }

  private assign(
    task: Entity,
    type: string,
    performer: number,
    subject: string,
    deadline: string | null = task.MaxDeadline ?? stageDeadline(task, this.store.now()),
  ): Entity {
    return this.store.put({
      $type: type,
      Id: this.store.nextId(type),
      ...{
        Subject: subject.slice(0, 250),
        Status: 'InProcess',
        Result: null,
        Deadline: deadline,
        Created: this.now(),
      },
      ...{
        Modified: this.now(),
        Author: task.Author,
        Performer: performer,
        Task: task.Id,
        MainTask: task.Id,
        IsRead: false,
      },
      ...{ Importance: task.Importance, ThreadSubject: task.ThreadSubject },
      AttachmentDetails: (task.AttachmentDetails ?? []).map((row: Entity) => ({ ...row })),
    });
  }

  private round(task: Entity): void {
    const document = documentOf(this.store, task);
    this.mark(document, 'OnApproval');
    const line = lines[task.$type]!;
    if (task.$people.length === 0) this.toSigning(task);
    for (const person of task.$people)
      this.assign(task, line.approval, person, `Согласуйте: ${document?.Name}`);
  }

  private toSigning(task: Entity): void {
    const { store } = this;
    const document = documentOf(store, task);
    if (!document) return;
    const free = task.$type === 'FreeApprovalTask';
    if (!free) this.mark(document, 'PendingSign');
    const performer = free ? task.Author : signatoryOf(store, task, document);
    this.assign(
      task,
      lines[task.$type]!.signing,
      performer ?? task.Author,
      free ? `Завершите согласование: ${document.Name}` : `Подпишите: ${document.Name}`,
    );
  }

  /** Signed is sticky; a locked card keeps its old state. */
  private mark(document: Entity | undefined, state: string): void {
    if (!document || this.locked(document.Id)) return;
    if (document.InternalApprovalState !== 'Signed') document.InternalApprovalState = state;
    if (state === 'OnRework') document.ExternalApprovalState = null;
    document.Modified = this.now();
    settle(document);
  }

  open(taskId: number): Entity[] {
    return this.store.list('Assignment').filter((one) => one.Task === taskId && one.Status === 'InProcess');
  }

  /** What CompleteAssignment does: the step, never a signature. */
  complete(assignment: Entity, result: string, by: number, text?: string): void {
    if (!(results[assignment.$type] ?? []).includes(result))
      throw new Refusal(400, `Элемент перечисления "Result" со значением "${result}" недопустим`, true);
    if (result === 'Forward') throw invented('Укажите сотрудника, которому нужно переадресовать задание.');
    this.finish(assignment, result, by, text);
    const task = this.store.find('Task', assignment.Task);
    if (task) this.after(task, assignment, result, by);
  }

  private finish(assignment: Entity, result: string, by: number, text?: string): void {
    if (assignment.Status !== 'InProcess') throw invented('Задание уже выполнено.');
    Object.assign(assignment, {
      Status: 'Completed',
      Result: result,
      Completed: this.now(),
      CompletedBy: by,
      Modified: this.now(),
    });
    if (text) {
      assignment.ActiveText = text;
      addRow(this.store, assignment, this.store.typeOf(assignment).props.get('Texts')!, {
        Body: text,
        Created: this.now(),
        Author: by,
        IsAutoGenerated: false,
      });
    }
  }

  private after(task: Entity, assignment: Entity, result: string, by: number): void {
    const { store } = this;
    const line = lines[task.$type];
    task.Modified = this.now();
    if (!line) {
      if (this.open(task.Id).length === 0) task.Status = 'Completed';
      return;
    }
    const document = documentOf(store, task);
    if (result === 'Abort' || result === 'Reject') this.abort(task);
    else if (result === line.rework) {
      this.drop(task);
      this.mark(document, 'OnRework');
      this.assign(
        task,
        line.reworkTask,
        document?.ResponsibleEmployee ?? task.Author,
        `Доработайте: ${document?.Name}`,
      );
    } else if (result === line.again) {
      task.Iteration = (task.Iteration ?? 1) + 1;
      this.round(task);
    } else if (assignment.$type === registering) {
      task.Status = 'Completed';
    } else if (assignment.$type === line.signing) {
      this.afterSigning(task, document);
      if (result === 'Complete') this.mark(document, 'PendingSign');
      if (result === 'Complete' || !document || this.locked(document.Id)) return;
      document.InternalApprovalState = 'Signed';
      document.OurSignatory = by;
      this.mark(document, 'Signed');
    } else if (assignment.$type === line.approval && this.open(task.Id).length === 0) this.toSigning(task);
  }

  /** Test data may give a rule a `$registrar`: the document is signed then, and the task goes on (contract F.4). */
  private afterSigning(task: Entity, document: Entity | undefined): void {
    const registrar = this.store.find('ApprovalRule', task.ApprovalRule)?.$registrar;
    if (registrar) this.assign(task, registering, registrar, `Зарегистрируйте: ${document?.Name}`);
    else task.Status = 'Completed';
  }

  /** Hands an assignment on: it is completed with `Forward`, and the other gets one like it. */
  forward(assignment: Entity, to: number, text?: string): Entity {
    if (!(results[assignment.$type] ?? []).includes('Forward'))
      throw new Refusal(400, 'Элемент перечисления "Result" со значением "Forward" недопустим', true);
    this.finish(assignment, 'Forward', assignment.Performer, text);
    const task = this.store.find('Task', assignment.Task);
    task.Modified = this.now();
    return this.assign(task, assignment.$type, to, assignment.Subject, assignment.Deadline);
  }

  private drop(task: Entity): void {
    for (const one of this.open(task.Id)) Object.assign(one, { Status: 'Aborted', Modified: this.now() });
  }

  abort(task: Entity): void {
    this.drop(task);
    Object.assign(task, { Status: 'Aborted', Modified: this.now() });
    if (task.$type !== 'SimpleTask') this.mark(documentOf(this.store, task), 'Aborted');
  }

  /** An approval signature on the last version; a document in state Aborted is not raised by it. */
  sign(document: Entity, by: number): void {
    const version = lastVersion(document);
    if (version) version.$signed = true;
    if (this.locked(document.Id)) return;
    document.Modified = this.now();
    document.OurSignatory = by;
    if (document.InternalApprovalState !== 'Aborted') document.InternalApprovalState = 'Signed';
    settle(document);
  }
}
