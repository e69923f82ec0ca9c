import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/postgres/embedded.ts';
import { quietLog } from '../directum/stand.ts';
import { openFolder } from '../store/bench.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { addDeal, lostCalls, runStep, type Stand, startStand } from './stand.ts';

/** The alert rules of docs/operations.md: quiet on a healthy stand, each heard when its state is brought about. */
const CODE = 'directum_create_contract';
const TOKEN = 'ops-token-of-the-test';
const DOCS = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));
const rules = [...readFileSync(DOCS, 'utf8').matchAll(/- alert: (\w+)\n +expr: (.+)/g)].map(
  ([, name = '', expr = '']) => ({ name, expr }),
);

let home: string;
let database: EmbeddedPostgres;
let client: pg.Client;
let stand: Stand;

beforeAll(async () => {
  home = await openFolder();
  await layCluster(home);
  database = await startEmbedded({ dataDir: home, log: quietLog });
  stand = await startStand({
    settings: { DATABASE_URL: database.url, OPS_TOKEN: TOKEN, LOG_LEVEL: 'error', BITRIX24_RATE: '2/50' },
    // The states are brought about in the database, and must be scraped before the service mends them.
    tickMs: 1_000,
  });
  client = new pg.Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
});
afterAll(async () => {
  await stand.stop();
  await client.end().catch(() => undefined);
  await database.stop();
  await rm(home, { recursive: true, force: true });
});

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

async function scrape(): Promise<Sample[]> {
  const response = await fetch(`${stand.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return [...(await response.text()).matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text]),
      ),
      value: Number(value),
    }),
  );
}

const EXPRESSION =
  /^(max|min|sum)(?: by \(\w+\))? ?\((increase\()?(\w+)(?:\{(\w+)(!?=)"(\w+)"\})?(?:\[\d+m\]\))?\) ([<>]) (\d+)$/;

/** PromQL as far as the rules use it; an increase is counted from the samples `before`. */
function isHeard(expr: string, samples: Sample[], before: Sample[]): boolean {
  const [, how, increase, name, label, equals, text, sign, limit] = EXPRESSION.exec(expr) ?? [];
  if (how === undefined) throw new Error(`not understood: ${expr}`);
  const fits = (sample: Sample) =>
    sample.name === name && (label === undefined || (sample.labels[label] === text) === (equals === '='));
  const values = (from: Sample[]) => from.filter(fits).map(({ value }) => value);
  const sum = (list: number[]) => list.reduce((total, value) => total + value, 0);
  const list = values(samples);
  if (list.length === 0 && !increase) return false;
  const value = increase
    ? sum(list) - sum(values(before))
    : how === 'sum'
      ? sum(list)
      : Math[how as 'max' | 'min'](...list);
  return sign === '>' ? value > Number(limit) : value < Number(limit);
}

const heard = (samples: Sample[], before: Sample[]) =>
  rules.filter(({ expr }) => isHeard(expr, samples, before)).map(({ name }) => name);

const call = async (count: number) =>
  (await lostCalls(stand, count, CODE, { subject: 'Тревога' })).map(({ form }) => form);
const post = async (form: Record<string, string>) =>
  (await fetch(`${stand.url}/bitrix24/robots/${CODE}`, { method: 'POST', body: new URLSearchParams(form) }))
    .status;

/** A run of a portal that nobody serves, as old as is said; it stands for one that is not got on with. */
const ghost = (id: string, age: string, state: string) =>
  client.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at, state)
     VALUES ($1, 'ghost', 'ghost', $2, $1, 'sealed', true, now() - $3::interval, now() + interval '1 day', now() - $3::interval, $4)`,
    [id, CODE, age, state],
  );

it('a healthy installation is quiet', async () => {
  expect(rules.length).toBeGreaterThanOrEqual(11);
  const before = await scrape();
  expect(await runStep(stand, addDeal(stand).deal, CODE, { subject: 'Здоров' })).toMatchObject({ ok: 'Y' });
  expect(heard(await scrape(), before)).toEqual([]);
});

it('Quarantined is heard while something is aside', async () => {
  const before = await scrape();
  await client.query(
    `INSERT INTO quarantine (feed, key, reason, since, retry_at) VALUES ('documents', '5001', '22P05', now(), now() + interval '1 day')`,
  );
  expect(heard(await scrape(), before)).toEqual(['Quarantined']);
  await client.query('DELETE FROM quarantine');
  expect(heard(await scrape(), before)).toEqual([]);
});

it('QueueOld, CallUnanswered, AnswersPending, WatcherStuck and PortalBudgetEmpty are heard in their states', async () => {
  const before = await scrape();
  await ghost('DEAL_QUEUE', '6 minutes', 'accepted');
  expect(heard(await scrape(), before)).toEqual(['QueueOld']);
  await client.query(`DELETE FROM run WHERE member_id = 'ghost'`);
  await ghost('DEAL_OLD', '61 minutes', 'waiting');
  // An old wait is no unanswered call; the watcher that does not look at it is stuck.
  await client.query(
    `INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, created_at)
     VALUES ('DEAL_OLD', 1, 'us', now() + interval '1 day', '{}', 'x', now())`,
  );
  // The watcher of this healthy service may look, and be late no more, between the two.
  const stuck = async () => {
    await client.query(`UPDATE feed SET due_at = now() - interval '6 minutes' WHERE name = 'poll'`);
    return heard(await scrape(), before);
  };
  await expect.poll(stuck, { timeout: 10_000 }).toEqual(['WatcherStuck']);
  await client.query(`UPDATE feed SET due_at = now() WHERE name = 'poll'`);
  await client.query(`DELETE FROM run WHERE member_id = 'ghost'`);

  // Claimed for ever by a process that keeps its lease and does nothing.
  await ghost('DEAL_OLD', '61 minutes', 'accepted');
  await client.query(
    `UPDATE run SET state = 'running', holder = 'x', lease_until = now() + interval '1 day' WHERE id = 'DEAL_OLD'`,
  );
  expect(heard(await scrape(), before)).toEqual(['CallUnanswered']);
  await client.query(
    `INSERT INTO run SELECT (jsonb_populate_record(run, jsonb_build_object('id', 'G' || n, 'item_code', 'G' || n, 'state', 'ended', 'received_at', now()))).*
     FROM run, generate_series(1, 1001) AS n WHERE id = 'DEAL_OLD'`,
  );
  await client.query(
    `INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, created_at, due_at)
     SELECT 'ghost', 'ghost', 'answer', 'first', id || '/1', id, item_code, 'sealed', now(), now() FROM run WHERE state = 'ended' AND member_id = 'ghost'`,
  );
  await client.query(`DELETE FROM run WHERE id = 'DEAL_OLD'`);
  expect(heard(await scrape(), before)).toEqual(['AnswersPending']);
  await client.query(`DELETE FROM run WHERE member_id = 'ghost'`);

  await client.query(
    `UPDATE portal_budget SET level = 50, updated_at = clock_timestamp() + interval '1 second'`,
  );
  expect(heard(await scrape(), before)).toEqual(['PortalBudgetEmpty']);
  await client.query(`UPDATE portal_budget SET level = 0, updated_at = clock_timestamp()`);
  expect(heard(await scrape(), before)).toEqual([]);
});

it('DirectumErrors, TokenNotRefreshed, PortalPaused and FaultOfTheService are heard in their states', async () => {
  let before = await scrape();
  stand.directum.misbehave.down = true;
  for (const form of await call(12)) expect(await post(form)).toBe(200);
  await expect
    .poll(async () => heard(await scrape(), before), { timeout: 15_000 })
    .toEqual(['DirectumErrors']);
  stand.directum.misbehave.reset();

  // Runs that waited go on now; nothing but the fault below is to be heard.
  const open = async () =>
    (await client.query(`SELECT FROM run WHERE state <> 'ended' LIMIT 1`)).rowCount ?? 0;
  await expect.poll(open, { timeout: 20_000 }).toBe(0);
  before = await scrape();
  await client.query(`ALTER TABLE document_intent ADD CONSTRAINT broken CHECK (false) NOT VALID`);
  await post((await call(1))[0] ?? {});
  await expect
    .poll(async () => heard(await scrape(), before), { timeout: 10_000 })
    .toEqual(['FaultOfTheService']);
  await client.query(`ALTER TABLE document_intent DROP CONSTRAINT broken`);

  before = await scrape();
  stand.portal.misbehave.expireAccessTokens();
  stand.portal.misbehave.killRefreshTokens();
  await post((await call(1))[0] ?? {});
  // The pair that the call brought is taken first, so that both must be dead.
  stand.portal.misbehave.expireAccessTokens();
  stand.portal.misbehave.killRefreshTokens();
  await expect
    .poll(async () => heard(await scrape(), before).sort(), { timeout: 25_000 })
    .toEqual(['PortalPaused', 'TokenNotRefreshed']);
}, 90_000);

it('SpoolNotEmpty and CallsLost are heard while the database is away', async () => {
  const before = await scrape();
  const forms = await call(2);
  await client.end();
  await database.stop();
  expect(await post(forms[0] ?? {})).toBe(200);
  expect(heard(await scrape(), before)).toEqual(['SpoolNotEmpty']);
  const folder = join(stand.dataDir, 'spool');
  await rm(folder, { recursive: true, force: true });
  await writeFile(folder, 'a disk that takes nothing');
  expect(await post(forms[1] ?? {})).toBe(503);
  expect(heard(await scrape(), before)).toContain('CallsLost');
  database = await startEmbedded({ dataDir: home, log: quietLog });
}, 60_000);
