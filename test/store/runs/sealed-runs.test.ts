import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DocumentState } from '../../../src/robot/ports/document-state.ts';
import { createFailures } from '../../../src/store/outbox/kept-failures.ts';
import { createClaimedRuns } from '../../../src/store/runs/claimed-runs.ts';
import { createRunHistory } from '../../../src/store/runs/run-history.ts';
import { createRunStore } from '../../../src/store/runs/runs.ts';
import { createWaits } from '../../../src/store/runs/waits.ts';
import { createContentSeal } from '../../../src/store/secrets/content-seal.ts';
import { createSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());

const NOW = new Date('2026-03-02T10:00:00Z');
const TEXT = { ru: 'Нет прав у Иванова.', en: 'Ivanov has no rights.' };
const VALUES = { document_name: 'Договор с Ромашкой' };
const DOCUMENT = { id: 5, name: 'Договор с Ромашкой' } as DocumentState;
const TASK = { id: 7, status: 'InProcess', startedAt: null };

/** One run of each kind, as attempts leave them: postponed, waiting, and ended with a failure. */
async function leave(): Promise<void> {
  await store.pool.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, proven, holder, takes, received_at, deadline_at, next_at)
     SELECT id, 'm', 'p', 'robot', 'DEAL_' || n, 'x', true, 'running', true, 'me', 1, $1, $1, $1
     FROM unnest(ARRAY['later', 'waiting', 'over']) WITH ORDINALITY AS g (id, n)`,
    [NOW],
  );
  const runs = createRunStore(store.pool, store.pool, store.content);
  const hold = (id: string) => ({ id, holder: 'me', takes: 1 });
  const attempt = { startedAt: NOW, finishedAt: NOW, ending: 'directum_unavailable', text: TEXT };
  await runs.postpone(hold('later'), attempt, VALUES, { nextAt: NOW, deadlineAt: NOW });
  const wait = { documentId: 5, waitFor: 'us', until: NOW, document: DOCUMENT, task: TASK, seen: 'Draft' };
  await createWaits(store.pool, store.content).save(hold('waiting'), attempt, wait);
  await runs.end('over', { ...attempt, ending: 'input_invalid' }, VALUES, null, hold('over'));
}

/** What the stores give with these keys. */
async function read(content: Store['content']) {
  const line = { memberId: 'm', robot: 'robot', running: 0, free: 1 };
  const claimed = createClaimedRuns(store.pool, content, 'other');
  const [later] = await claimed.claim(new Date(NOW.getTime() + 1), 1, [line]);
  if (later !== undefined) await claimed.release([later]);
  const over = await createRunHistory(store.pool, content).find('over');
  const failures: unknown[] = [];
  await createFailures(store.pool, content).decide(['p'], 10, 10, ({ text }) => {
    failures.push(text);
    return { told: 'nothing', outbox: [] };
  });
  await store.pool.query('UPDATE failure SET told = NULL');
  return {
    later: [later?.lastText, later?.lastValues],
    wait: await createWaits(store.pool, content).last('waiting'),
    over: [over?.outcome, over?.tries.map(({ text }) => text)],
    failures,
  };
}

it('texts, outputs and what a wait saw lie sealed, and without their key they are left out', async () => {
  await leave();
  const { rows } = await store.pool.query(
    'SELECT run::text AS one FROM run UNION ALL SELECT run_attempt::text FROM run_attempt UNION ALL SELECT failure::text FROM failure UNION ALL SELECT wait::text FROM wait',
  );
  expect(rows).toHaveLength(3 + 3 + 1 + 1);
  expect(JSON.stringify(rows)).not.toMatch(/Иванов|Ivanov|Ромашк/);
  expect(await read(store.content)).toEqual({
    later: [TEXT, VALUES],
    wait: { documentId: 5, document: DOCUMENT, task: TASK },
    over: [VALUES, [TEXT]],
    failures: [TEXT],
  });
  const keys = createSecretKeys(new Map([['other', Buffer.alloc(32, 1)]]));
  const other = createContentSeal({ keys, isOlderConnected: async () => false, log: bench.log });
  expect(await read(other)).toEqual({
    later: [null, null],
    wait: null,
    over: [null, [null]],
    failures: [null],
  });
});
