import type { KeptTask } from '../../store/documents/synced-tasks.ts';
import { planTasks } from '../deliver/task-sync.ts';
import { type TaskChange, toWanted } from '../facts/assignment-tasks.ts';
import type { Deviation, SeenTask } from '../ports/deal.ts';
import { type ComparePorts, type PendingWrites, toName } from './compare.ts';

/** Portals keep deadlines to the minute. */
const MINUTE_MS = 60_000;

type Seen = SeenTask | 'gone' | null;

/**
 * Reads tasks back and makes those that show other than their assignments due to be written. One deleted by hand differs
 * once and is not made again: an assignment has one task, and whoever deleted it did not want it. An assignment without a
 * task, whose person the portal has come to know, gets its one. @returns the tasks that differed
 */
export async function compareTasks(
  portal: string,
  ids: number[],
  pending: PendingWrites,
  ports: ComparePorts,
  itemCode: string | null,
): Promise<(KeptTask & { deviations: Deviation[] })[]> {
  const { documents, syncedTasks, portals, now } = ports;
  // By what is known now and stays so meanwhile: the portal was asked since the comparison began.
  await documents.change(ids, now(), async (known, client) => {
    const wanted = [...known].map(([documentId, { snapshot, items }]) => ({
      documentId,
      items: items.filter((item) => item.portal === portal),
      tasks: toWanted(snapshot),
    }));
    await syncedTasks.record(client, wanted, now());
    return new Map();
  });
  const tasks = (await syncedTasks.of(portal, ids)).filter(
    (task) => itemCode === null || task.itemCode === itemCode,
  );
  if (tasks.length === 0) return [];
  const deals = portals.deals(portal);
  const taskIds = tasks.flatMap(({ due, taskId }) => (due || taskId === null ? [] : [taskId]));
  const read = taskIds.length === 0 ? [] : await deals.readTasks(taskIds);
  const seen = new Map(taskIds.map((id, at) => [id, read[at] ?? null]));
  const seenOf = ({ taskId }: KeptTask) => (taskId === null ? null : (seen.get(taskId) ?? null));
  const planned = await planTasks(
    deals,
    tasks.filter(({ ended }) => !ended),
    ports,
  );
  const late = planned.filter(
    ({ task, change }) =>
      task.due &&
      (change.do === 'put' || change.do === 'close') &&
      !pending.tasks.has(task.assignmentId) &&
      !pending.items.has(toName(task)),
  );
  const wrong = [
    ...planned
      .filter(({ task }) => !task.due)
      .map(({ task, change }) => ({ ...task, deviations: toDeviations(task, change, seenOf(task)) })),
    ...tasks
      .filter((task) => task.ended && isClosed(seenOf(task)) === false)
      .map((task) => ({ ...task, deviations: [deviation(task, 'state', 'open', 'closed')] })),
  ].filter(({ deviations }) => deviations.length > 0);
  await syncedTasks.again(
    portal,
    wrong.map((task) => ({
      assignmentId: task.assignmentId,
      reopen: !task.ended && isClosed(seenOf(task)) === true,
    })),
    now(),
  );
  // One that the portal refused to make is tried again, which is no difference.
  return [
    ...late.map(({ task, change }) => ({
      ...task,
      deviations: [
        change.do === 'close' ? deviation(task, 'state', 'open', 'closed') : deviation(task, '', null, null),
      ],
    })),
    ...wrong.filter(({ taskId, tried }) => taskId !== null || !tried),
  ];
}

function toDeviations(task: KeptTask, change: TaskChange, seen: Seen): Deviation[] {
  const missing = deviation(task, '', null, null);
  if (task.taskId === null) return change.do === 'put' ? [missing] : [];
  if (seen === 'gone') return [missing];
  if (seen === null) return [];
  if (change.do !== 'put')
    return change.do === 'close' && seen.closed === false ? [deviation(task, 'state', 'open', 'closed')] : [];
  const { responsibleUserId } = change.task;
  return [
    ...(seen.closed === true ? [deviation(task, 'state', 'closed', 'open')] : []),
    ...(seen.responsibleUserId !== null && seen.responsibleUserId !== responsibleUserId
      ? [deviation(task, 'responsible', `user_${seen.responsibleUserId}`, `user_${responsibleUserId}`)]
      : []),
    ...(isSameMoment(seen.deadline, task.shown.deadline)
      ? []
      : [deviation(task, 'deadline', seen.deadline ?? '', task.shown.deadline ?? '')]),
  ];
}

function deviation(
  { taskId }: KeptTask,
  property: string,
  shown: string | null,
  wanted: string | null,
): Deviation {
  const name = [taskId === null ? '' : String(taskId), property].filter((part) => part !== '').join(' ');
  return { part: 'task', name, shown, wanted };
}

/** Null for one that is not there or of which nothing is said. */
function isClosed(seen: Seen): boolean | null {
  return seen === null || seen === 'gone' ? null : seen.closed;
}

function isSameMoment(one: string | null, other: string | null): boolean {
  if (one === null || other === null) return one === other;
  // A moment that cannot be read is no reason to write each night.
  return !(Math.abs(Date.parse(one) - Date.parse(other)) >= MINUTE_MS);
}
