import { commentHandler, type FailurePorts } from '../../src/documents/deliver/failures.ts';
import { noticeHandlers } from '../../src/documents/deliver/notices.ts';
import type { DealPort } from '../../src/documents/ports/deal.ts';
import { createQuarantine } from '../../src/store/feeds/quarantine.ts';
import { createFailures } from '../../src/store/outbox/kept-failures.ts';
import { createNotices } from '../../src/store/outbox/notices.ts';
import { createOutbox } from '../../src/store/outbox/outbox.ts';
import { createRunHistory } from '../../src/store/runs/run-history.ts';
import { createRunStore } from '../../src/store/runs/runs.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { type StoreBench, storeBench } from '../store/bench.ts';
import { outboxStep } from './outbox-step.ts';

const START = Date.parse('2026-03-02T09:00:00Z');
export const ROBOT = 'directum_create_contract';

export interface FailedRun {
  item?: string;
  robot?: string;
  code?: string;
  text?: { ru: string; en: string } | null;
  waits?: boolean;
  portal?: string;
  /** The portal vouches for the call. */
  proven?: boolean;
}

/** Failures on a real database and two processes, with a clock that is moved by hand and portals that are given. */
export async function failureBench() {
  const bench: StoreBench = await storeBench();
  const stores: Store[] = [await bench.open(), await bench.open()];
  const [store] = stores as [Store, Store];
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  let time = START;
  let shown: FailurePorts['shown'] = 'both';
  let deals: Record<string, DealPort> = {};
  let made = 0;
  const now = () => new Date(time);

  const replica = ({ pool, content }: Store) => {
    const queue = createOutbox(pool);
    const notices = createNotices(pool);
    const failures = createFailures(pool, content);
    const ports = () => ({
      queue,
      notices,
      quarantine: createQuarantine(pool),
      failures,
      shown,
      robotName: (code: string) => ({ ru: `Directum: ${code}`, en: `Directum (en): ${code}` }),
      portals: { keys: () => Object.keys(deals), deals: (portal: string) => deals[portal] as DealPort },
      toItem: (code: string) => {
        const id = Number(/^DEAL_(\d+)$/.exec(code)?.[1]);
        return id > 0 ? { typeId: 2, id, code } : null;
      },
      seal: keys,
      now,
      log: bench.log,
    });
    return () => outboxStep([commentHandler(ports()), ...noticeHandlers(ports())], ports());
  };
  const steps = stores.map(replica);
  const runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
  const history = createRunHistory(store.pool, store.content);

  async function end(id: string, { code = 'input_invalid', text }: FailedRun): Promise<void> {
    const said = text === undefined ? { ru: `Не вышло ${code}.`, en: `Failed ${code}.` } : text;
    const attempt = { startedAt: now(), finishedAt: now(), ending: code, text: said };
    await runs.end(id, attempt, {}, null);
  }

  return {
    pool: store.pool,
    lines: bench.lines,
    now,
    history,
    failures: createFailures(store.pool, store.content),
    /** A run that ends so; answers its id. */
    async fail(failed: FailedRun = {}): Promise<string> {
      made += 1;
      const id = `run${made}`;
      await store.pool.query(
        `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, proven, state, received_at, deadline_at, next_at)
         VALUES ($1, 'm', $2, $3, $4, 'not to be opened', $5, $7, 'accepted', $6, $6, $6)`,
        [
          id,
          failed.portal ?? 'p',
          failed.robot ?? ROBOT,
          failed.item ?? 'DEAL_1',
          failed.waits ?? true,
          now(),
          failed.proven ?? true,
        ],
      );
      await end(id, failed);
      return id;
    },
    end,
    reach: (portals: Record<string, DealPort>) => {
      deals = portals;
    },
    show: (value: FailurePorts['shown']) => {
      shown = value;
    },
    /** Lets time pass, both processes working at each step. */
    async pass(ms: number, stepMs = 1_000) {
      for (let passed = 0; passed < ms; passed += stepMs) {
        time += stepMs;
        await Promise.all(steps.map((step) => step()));
      }
    },
    /** Time passes and nobody works. */
    idle: (ms: number) => {
      time += ms;
    },
    async clear() {
      time = START;
      shown = 'both';
      bench.lines.length = 0;
      await store.pool.query('TRUNCATE run, outbox, failure, journal CASCADE');
    },
    close: () => bench.close(),
  };
}
