import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { DueTask, SettledTask, SyncedTasks } from '../../store/documents/synced-tasks.ts';
import { type TaskChange, toMark, toTaskChange } from '../facts/assignment-tasks.ts';
import type { DealPort, ReachablePortals, WriteResult } from '../ports/deal.ts';
import { sendAll, toNextTry } from './sending.ts';

interface TaskSyncPorts {
  syncedTasks: SyncedTasks;
  portals: ReachablePortals;
  /** The item of a code such as `DEAL_915`; null for a code that is none. */
  toItem(code: string): ItemRef | null;
  now: () => Date;
  log: Log;
}

const TASKS = 50;

type Planned = { due: DueTask; change: TaskChange };

/** Brings the tasks of portals in line with their assignments. One step; true while there may be more. */
export async function syncTasks(ports: TaskSyncPorts): Promise<boolean> {
  const due = await ports.syncedTasks.take(ports.portals.keys(), ports.now(), LEASE_MS.portal, TASKS);
  const groups = [...Map.groupBy(due, (task) => task.portal)];
  await Promise.all(groups.map(async ([portal, of]) => syncIn(ports.portals.deals(portal), of, ports)));
  return due.length > 0;
}

async function syncIn(deals: DealPort, due: DueTask[], ports: TaskSyncPorts): Promise<void> {
  const { syncedTasks, log } = ports;
  let planned: Planned[];
  try {
    planned = await planTasks(deals, due, ports);
  } catch (error) {
    log.warn('tasks.failed', { error });
    return syncedTasks.settle(
      due.map((task) => again(task, task.taskId, ports)),
      ports.now(),
    );
  }
  const failed = (error: unknown) => log.warn('tasks.failed', { error });
  const done: SettledTask[] = planned
    .filter(({ change }) => change.do === 'nothing' || change.do === 'end')
    .map(({ due: task, change }) => toSettled(task, task.taskId, change.do === 'end'));

  const puts = planned.flatMap(({ due: task, change }) =>
    change.do === 'put' ? [{ due: task, change }] : [],
  );
  const closes = planned.flatMap(({ due: task, change }) =>
    change.do === 'close' && task.taskId !== null
      ? [{ due: task, taskId: task.taskId, note: change.note, ended: change.ended }]
      : [],
  );
  if (puts.length > 0) await syncedTasks.trying(puts.map(({ due: task }) => task));
  const put = await sendAll(
    puts,
    (some) =>
      deals.putTasks(
        some.map(({ due: { portal, assignmentId, taskId, reopen }, change: { task, close } }) => ({
          mark: toMark(portal, assignmentId),
          taskId,
          reopen: reopen && !close,
          task,
        })),
      ),
    failed,
  );
  for (const [{ due: task, change }, result] of put) {
    const taskId = result.ok ? (result.id ?? task.taskId) : task.taskId;
    if (!result.ok || taskId === null) done.push(toUnput(task, result, ports));
    else if (change.close) closes.push({ due: task, taskId, note: null, ended: true });
    else
      done.push({
        ...toSettled(task, taskId, false),
        sent: { did: task.taskId === null ? 'made' : 'changed', task: taskId },
      });
  }
  const closed = await sendAll(
    closes,
    (some) => deals.completeTasks(some.map(({ taskId, note }) => ({ taskId, note }))),
    failed,
  );
  for (const [{ due: task, taskId, ended }, result] of closed) {
    const later = !result.ok && result.why === 'retry';
    // A person who closed or deleted the task did what was wanted.
    if (!result.ok && !later) log.info('task.not_closed', { ...factsOf(task), why: result.why });
    const sent = { did: result.ok ? ('closed' as const) : ('refused' as const), task: taskId };
    done.push(
      later ? again(task, taskId, ports) : { ...toSettled(task, ended ? taskId : null, ended), sent },
    );
  }
  await withoutBadRows(
    done,
    (some) => syncedTasks.settle(some, ports.now()),
    ({ assignmentId }, error) => log.error('task.not_kept', { error, assignmentId }),
  );
}

/** Decides for each task; asks the portal for the people once. */
export async function planTasks<T extends DueTask>(
  deals: DealPort,
  due: T[],
  { toItem }: Pick<TaskSyncPorts, 'toItem'>,
): Promise<{ due: T; change: TaskChange }[]> {
  const emails = [...new Set(due.flatMap(({ shown }) => shown.performer?.email ?? []))];
  const users = emails.length === 0 ? new Map<string, number>() : await deals.usersByEmail(emails);
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  return due.map((task) => {
    const item = toItem(task.itemCode);
    const email = task.shown.performer?.email ?? null;
    const userId = email === null ? null : (byEmail.get(email.toLowerCase()) ?? null);
    const change: TaskChange = item ? toTaskChange(task, userId, item, deals.language()) : { do: 'end' };
    return { due: task, change };
  });
}

/** A task deleted by hand is not made again; where there is no item or user to make it for, a later change tries anew. */
function toUnput(task: DueTask, result: WriteResult, ports: TaskSyncPorts): SettledTask {
  if (!result.ok && result.why === 'retry') return again(task, task.taskId, ports);
  ports.log.info('task.not_written', { ...factsOf(task), why: result.ok ? 'no id' : result.why });
  const deleted = !result.ok && result.why === 'gone' && task.taskId !== null;
  const settled = toSettled(task, task.taskId, deleted || task.shown.ending !== null);
  return { ...settled, sent: { did: 'refused', task: task.taskId } };
}

function toSettled(task: DueTask, taskId: number | null, ended: boolean): SettledTask {
  const { portal, assignmentId, hash } = task;
  return { portal, assignmentId, hash, taskId, ended, dueAt: null };
}

function again(task: DueTask, taskId: number | null, { now }: TaskSyncPorts): SettledTask {
  return { ...toSettled(task, taskId, false), dueAt: toNextTry(task.attempts, now()) };
}

function factsOf({ itemCode, assignmentId, taskId }: DueTask) {
  return { item: itemCode, assignmentId, taskId };
}
