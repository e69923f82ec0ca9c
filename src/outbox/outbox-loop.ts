import { createLoop } from '../lib/work/loop.ts';
import type { Log } from '../robot/ports/log.ts';
import { withoutBadRows } from '../store/db/data-error.ts';
import type { Quarantine } from '../store/feeds/quarantine.ts';
import type { DueRow, Lane, SettledRow } from '../store/outbox/outbox.ts';
import { type Handler, type OpenRow, type Outcome, RETRY } from './handler.ts';
import { toSettled } from './settled.ts';

interface OutboxPorts {
  handlers: readonly Handler[];
  quarantine: Pick<Quarantine, 'put' | 'release'>;
  seal: { decrypt(text: string): string };
  now: () => Date;
  log: Log;
}

/** A lane of one recipient. */
interface Line {
  handler: Handler;
  recipient: string;
}

const nameOf = ({ handler, recipient }: Line) => `${handler.lane} ${recipient}`;

/**
 * Sends what is due in the outbox, by the handler of its lane. Each lane of a recipient goes at its own pace: a portal that is
 * slow, or takes nothing for a while, delays no other portal, and second answers delay no first ones. Answers have a queue of their
 * own, which waits for no decision about other messages.
 */
export function createOutboxLoop(ports: OutboxPorts) {
  const { handlers, now, log } = ports;
  const underWay = new Map<string, Promise<void>>();
  /** Until when a recipient takes nothing of a lane, by `performance.now()`. */
  const blocked = new Map<string, number>();
  const asked = new Set<Handler>();

  const isFree = (line: Line) =>
    !underWay.has(nameOf(line)) && (blocked.get(nameOf(line)) ?? 0) <= performance.now();
  const block = (line: Line, ms: number) => {
    blocked.set(nameOf(line), performance.now() + ms);
    log.warn('outbox.blocked', { lane: line.handler.lane, recipient: line.recipient, ms });
  };

  async function pass(of: readonly Handler[]): Promise<boolean> {
    const wanted = of.filter((handler) => asked.delete(handler));
    const lines = wanted.flatMap((handler) =>
      handler
        .recipients()
        .map((recipient) => ({ handler, recipient }))
        .filter(isFree),
    );
    for (const [handler, own] of Map.groupBy(lines, (line) => line.handler)) {
      try {
        if (await handler.prepare?.(own.map(({ recipient }) => recipient))) asked.add(handler);
      } catch (error) {
        log.warn('outbox.not_prepared', { error, lane: handler.lane });
      }
    }
    const rows = Map.groupBy(await takeAll(lines, now()), ({ lane, recipient }) => `${lane} ${recipient}`);
    for (const line of lines) {
      const due = rows.get(nameOf(line));
      if (due === undefined) continue;
      const sending = deliver(line, due, ports, block)
        .catch((error) => log.warn('outbox.failed', { error, lane: line.handler.lane, count: due.length }))
        .finally(() => {
          underWay.delete(nameOf(line));
          wake([line.handler.lane]);
        });
      underWay.set(nameOf(line), sending);
    }
    return of.some((handler) => asked.has(handler));
  }

  const loops = [...Map.groupBy(handlers, ({ queue }) => queue).values()].map((of) => ({
    of,
    loop: createLoop(() => pass(of), log),
  }));

  function wake(lanes?: readonly Lane[]): void {
    for (const { of, loop } of loops) {
      const wanted = of.filter(({ lane }) => lanes?.includes(lane) ?? true);
      for (const handler of wanted) asked.add(handler);
      if (wanted.length > 0) loop.wake();
    }
  }

  return {
    /** Something became due in these lanes; in any of them where none is named. */
    wake,
    /** Until what is under way has ended. */
    async stop(): Promise<void> {
      await Promise.all(loops.map(({ loop }) => loop.stop()));
      await Promise.all(underWay.values());
    },
  };
}

/** One statement for all lanes of a queue, and one for each that takes its rows in its own way. */
async function takeAll(lines: Line[], now: Date): Promise<DueRow[]> {
  const until = ({ leaseMs }: Handler) => new Date(now.getTime() + leaseMs);
  const taken: DueRow[] = [];
  for (const [handler, of] of Map.groupBy(lines, (line) => line.handler)) {
    const recipients = of.map(({ recipient }) => recipient);
    taken.push(...((await handler.take?.(recipients, until(handler))) ?? []));
  }
  const common = lines.filter(({ handler }) => handler.take === undefined);
  for (const [queue, of] of Map.groupBy(common, ({ handler }) => handler.queue)) {
    const wanted = of.map(({ handler, recipient }) => {
      const { lane, most } = handler;
      return { lane, recipient, most, lockedUntil: until(handler) };
    });
    taken.push(...(await queue.take(wanted, now)));
  }
  return taken;
}

async function deliver(
  line: Line,
  due: DueRow[],
  ports: OutboxPorts,
  block: (line: Line, ms: number) => void,
): Promise<void> {
  const outcomes = await sendGroup(line, due, ports);
  await settle(line.handler, due, outcomes, ports);
  const blockedMs = Math.max(0, ...outcomes.map(toBlock));
  if (blockedMs > 0) block(line, blockedMs);
}

const toBlock = (outcome: Outcome) => (outcome !== null && 'blockedMs' in outcome ? outcome.blockedMs : 0);

async function sendGroup(
  { handler, recipient }: Line,
  group: DueRow[],
  ports: OutboxPorts,
): Promise<Outcome[]> {
  const opened = group.map((row) => open(row, ports));
  const sendable = opened.filter((row) => row !== null);
  let sent: Outcome[] = [];
  try {
    if (sendable.length > 0) sent = await handler.send(recipient, sendable);
  } catch (error) {
    ports.log.warn('outbox.failed', { error, lane: handler.lane, count: sendable.length });
  }
  let next = 0;
  return opened.map((row) => {
    if (row === null) return { ok: false, why: 'refused', reason: 'its key is not in SECRET_KEYS any more' };
    const outcome = sent[next++];
    return outcome === undefined ? RETRY : outcome;
  });
}

/** A row that cannot be opened must not stop the others of its group. */
function open(row: DueRow, { seal, log }: OutboxPorts): OpenRow | null {
  try {
    return { ...row, content: row.payload === null ? null : JSON.parse(seal.decrypt(row.payload)) };
  } catch (error) {
    const { id, kind, itemCode: item, runId } = row;
    log.error('outbox.not_opened', { error, id, kind, item, ...(runId !== null && { runId }) });
    return null;
  }
}

async function settle(
  handler: Handler,
  rows: DueRow[],
  outcomes: Outcome[],
  ports: OutboxPorts,
): Promise<void> {
  const now = ports.now();
  const settled = rows.flatMap((row, index) => {
    const outcome = outcomes[index] ?? null;
    return outcome === null ? [] : [{ ...toSettled(row, outcome, handler, now, ports.log), row }];
  });
  const unkept: SettledRow[] = [];
  await withoutBadRows(
    settled,
    (some) =>
      handler.queue.settle(
        some.map(({ row: _, ...one }) => one),
        now,
      ),
    ({ row, ...one }, error) => {
      ports.log.error('outbox.not_settled', { error, id: row.id, kind: row.kind, item: row.itemCode });
      unkept.push({ ...one, error: 'its reason cannot be kept' });
    },
  );
  if (unkept.length > 0) await handler.queue.settle(unkept, now);
  const aside = rows.flatMap((row, index) => {
    const outcome = outcomes[index];
    return outcome?.ok === false && outcome.why === 'aside'
      ? [{ key: toKey(row), reason: outcome.reason }]
      : [];
  });
  await ports.quarantine.put('outbox', aside, now);
  const late = rows.filter((row, index) => row.attempts > 1 && outcomes[index]?.ok === true);
  await ports.quarantine.release('outbox', late.map(toKey));
}

/** Names a row for people. */
const toKey = ({ portal, kind, itemCode, id }: DueRow) => `${portal} ${kind} ${itemCode} ${id}`;
