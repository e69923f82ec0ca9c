import { invented } from './refusal.ts';
import type { Entity, Store } from './store.ts';
import { addendaGroup, documentGroups } from './task-lines.ts';
import { addRow } from './write.ts';

/** The document a task is about: the one in its main group. */
export function documentOf(store: Store, task: Entity): Entity | undefined {
  const row = (task.AttachmentDetails ?? []).find(
    (one: Entity) => one.GroupId === documentGroups[task.$type],
  );
  return store.find('OfficialDocument', row?.AttachmentId);
}

export function tasksOf(store: Store, documentId: number): Entity[] {
  return store.list('Task').filter((task) => documentOf(store, task)?.Id === documentId);
}

export function ruleFor(store: Store, document: Entity): Entity | undefined {
  const fits = (rule: Entity) =>
    rule.Status === 'Active' &&
    ((rule.DocumentKinds ?? []).length === 0 ||
      rule.DocumentKinds.some((row: Entity) => row.DocumentKind === document.DocumentKind));
  return store.list('ApprovalRule').find(fits);
}

/** Who shall sign, or null where that person has no signing right. */
export function signatoryOf(store: Store, task: Entity, document: Entity): number | null {
  const may = (id: number | null) =>
    store.list('SignatureSetting').some((one) => one.Recipient === id && one.Status === 'Active');
  const unit = store.find('BusinessUnit', document.BusinessUnit);
  const wanted = task.Signatory ?? document.OurSignatory ?? unit?.CEO ?? null;
  return wanted !== null && may(wanted) ? wanted : null;
}

/** What the start of an approval by rule demands (contract D.2). */
export function checkRule(store: Store, task: Entity, document: Entity): void {
  const rule = ruleFor(store, document);
  if (!rule || rule.Id !== task.ApprovalRule)
    throw invented('Нет подходящего регламента согласования для документа.');
  // Test data may name properties the rule's conditions use.
  for (const name of rule.$conditions ?? [])
    if ((document[name] ?? null) === null)
      throw invented(`Для старта задачи заполните поле «${name}» в карточке документа.`);
  if (signatoryOf(store, task, document) === null)
    throw invented('Подписывающий не имеет права подписи документа.');
}

/** Addenda come along in a group of their own, so they are found by another group than the document (contract D.2, F.2). */
export function attachAddenda(store: Store, task: Entity, document: Entity): void {
  if (task.$type === 'FreeApprovalTask') return;
  const rows = store.typeOf(task).props.get('AttachmentDetails')!;
  for (const { name, base, related } of store.relations) {
    if (name !== 'Addendum' || base !== document.Id) continue;
    const attached = { GroupId: addendaGroup, AttachmentId: related, AttachedAt: store.now().toISOString() };
    addRow(store, task, rows, { ...attached, Task: task.Id, MainTask: task.Id });
  }
}

const stageDays = 2;

/** Stages of a rule or process have a deadline by the working calendar (contract D.2); others only one that was given. */
export function stageDeadline(task: Entity, now: Date): string | null {
  if (task.$type !== 'ApprovalTask' && task.$type !== 'DocumentFlowTask') return null;
  const day = new Date(now);
  for (let left = stageDays; left > 0; ) {
    day.setUTCDate(day.getUTCDate() + 1);
    if (day.getUTCDay() % 6 !== 0) left -= 1;
  }
  return day.toISOString();
}
