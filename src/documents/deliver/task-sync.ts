import { LEASE_MS } from '../../lib/work/leases.ts';
import { type Handler, type Outcome, RETRY } from '../../outbox/handler.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { SettledTask, SyncedTask, SyncedTasks } from '../../store/documents/synced-tasks.ts';
import { type TaskChange, toMark, toTaskChange } from '../facts/assignment-tasks.ts';
import type { DealPort, WriteResult } from '../ports/deal.ts';
import type { DeliverPorts } from './sending.ts';

interface TaskSyncPorts extends Pick<DeliverPorts, 'queue' | 'portals' | 'toItem' | 'now' | 'log'> {
  syncedTasks: SyncedTasks;
}

const TASKS = 50;

/** How tasks leave: each is brought in line with its assignment, as often as it changes. */
export function taskHandler(ports: TaskSyncPorts): Handler {
  const { queue, portals, syncedTasks } = ports;
  return {
    lane: 'task',
    queue,
    recipients: portals.keys,
    most: TASKS,
    leaseMs: LEASE_MS.portal,
    async send(portal, rows) {
      const tasks = await syncedTasks.find(
        portal,
        rows.map(({ key }) => Number(key)),
      );
      const done = await syncIn(portals.deals(portal), tasks, ports);
      const outcomes = new Map(done.map((task) => [task.assignmentId, task.outcome]));
      return rows.map(
        ({ key }): Outcome =>
          outcomes.get(Number(key)) ?? { ok: false, why: 'gone', reason: 'what it must show is not known' },
      );
    },
  };
}

/** What was done with each task. */
async function syncIn(
  deals: DealPort,
  tasks: SyncedTask[],
  ports: TaskSyncPorts,
): Promise<{ assignmentId: number; outcome: Outcome }[]> {
  const { syncedTasks, log } = ports;
  if (tasks.length === 0) return [];
  const planned = await planTasks(deals, tasks, ports);
  const done: SettledTask[] = planned
    .filter(({ change }) => change.do === 'nothing' || change.do === 'end')
    .map(({ task, change }) => toSettled(task, task.taskId, change.do === 'end'));

  const puts = planned.flatMap(({ task, change }) => (change.do === 'put' ? [{ task, change }] : []));
  const closes = planned.flatMap(({ task, change }) =>
    change.do === 'close' && task.taskId !== null
      ? [{ task, taskId: task.taskId, note: change.note, ended: change.ended }]
      : [],
  );
  if (puts.length > 0) await syncedTasks.trying(puts.map(({ task }) => task));
  const put = await writeAll(
    puts,
    (some) =>
      deals.putTasks(
        some.map(({ task: { portal, assignmentId, taskId, reopen }, change }) => ({
          mark: toMark(portal, assignmentId),
          taskId,
          reopen: reopen && !change.close,
          task: change.task,
        })),
      ),
    log,
  );
  for (const [{ task, change }, result] of put) {
    const taskId = result.ok ? (result.id ?? task.taskId) : task.taskId;
    if (!result.ok || taskId === null) done.push(toUnput(task, result, log));
    else if (change.close) closes.push({ task, taskId, note: null, ended: true });
    else
      done.push({
        ...toSettled(task, taskId, false),
        sent: { did: task.taskId === null ? 'made' : 'changed', task: taskId },
      });
  }
  const closed = await writeAll(
    closes,
    (some) => deals.completeTasks(some.map(({ taskId, note }) => ({ taskId, note }))),
    log,
  );
  for (const [{ task, taskId, ended }, result] of closed) {
    const later = !result.ok && result.why === 'retry';
    // A person who closed or deleted the task did what was wanted.
    if (!result.ok && !later) log.info('task.not_closed', { ...factsOf(task), why: result.why });
    const sent = { did: result.ok ? ('closed' as const) : ('refused' as const), task: taskId };
    done.push(later ? again(task, taskId) : { ...toSettled(task, ended ? taskId : null, ended), sent });
  }
  const unkept = new Map<number, unknown>();
  await withoutBadRows(
    done,
    (some) => syncedTasks.keep(some, ports.now()),
    ({ assignmentId }, error) => {
      log.error('task.not_kept', { error, assignmentId });
      unkept.set(assignmentId, error);
    },
  );
  return done.map(({ assignmentId, again: isAgain }) => {
    if (unkept.has(assignmentId))
      return { assignmentId, outcome: { ok: false, why: 'aside', reason: unkept.get(assignmentId) } };
    return { assignmentId, outcome: isAgain ? RETRY : { ok: true } };
  });
}

/** Writes tasks by one call. When the whole call fails, what was done before it is kept, and these are tried again. */
async function writeAll<T>(
  tasks: readonly T[],
  call: (tasks: readonly T[]) => Promise<WriteResult[]>,
  log: Log,
): Promise<(readonly [T, WriteResult])[]> {
  let results: WriteResult[] = [];
  try {
    if (tasks.length > 0) results = await call(tasks);
  } catch (error) {
    log.warn('tasks.failed', { error });
  }
  return tasks.map((task, at) => [task, results[at] ?? { ok: false, why: 'retry' }]);
}

/** Decides for each task; asks the portal for the people once. */
export async function planTasks<T extends SyncedTask>(
  deals: DealPort,
  tasks: T[],
  { toItem }: { toItem(code: string): ItemRef | null },
): Promise<{ task: T; change: TaskChange }[]> {
  const emails = [...new Set(tasks.flatMap(({ shown }) => shown.performer?.email ?? []))];
  const users = emails.length === 0 ? new Map<string, number>() : await deals.usersByEmail(emails);
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  return tasks.map((task) => {
    const item = toItem(task.itemCode);
    const email = task.shown.performer?.email ?? null;
    const userId = email === null ? null : (byEmail.get(email.toLowerCase()) ?? null);
    const change: TaskChange = item ? toTaskChange(task, userId, item, deals.language()) : { do: 'end' };
    return { task, change };
  });
}

/** A task deleted by hand is not made again; where there is no item or user to make it for, a later change tries anew. */
function toUnput(task: SyncedTask, result: WriteResult, log: Log): SettledTask {
  if (!result.ok && result.why === 'retry') return again(task, task.taskId);
  log.info('task.not_written', { ...factsOf(task), why: result.ok ? 'no id' : result.why });
  const deleted = !result.ok && result.why === 'gone' && task.taskId !== null;
  const settled = toSettled(task, task.taskId, deleted || task.shown.ending !== null);
  return { ...settled, sent: { did: 'refused', task: task.taskId } };
}

function toSettled({ portal, assignmentId }: SyncedTask, taskId: number | null, ended: boolean): SettledTask {
  return { portal, assignmentId, taskId, ended, again: false };
}

const again = (task: SyncedTask, taskId: number | null): SettledTask => ({
  ...toSettled(task, taskId, false),
  again: true,
});

function factsOf({ itemCode, assignmentId, taskId }: SyncedTask) {
  return { item: itemCode, assignmentId, taskId };
}
