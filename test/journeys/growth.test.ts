import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/postgres/embedded.ts';
import { openPlace } from '../../src/store/postgres/place.ts';
import { quietLog } from '../directum/stand.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const OPS_TOKEN = 'canary-ops-token-of-the-growth-test';
/** Rows that are over and done with; where a table grows by others than the rest, so many. */
const OLD = 100_000;
const OLD_OF: Record<string, number> = {
  run: 300_000,
  run_attempt: 300_000,
  past_run: 300_000,
  journal: 1_000_000,
};
/** More rows of a growing table than any statement of a loop has to look at. */
const MANY = 5_000;

let stand: Stand;
let server: EmbeddedPostgres;
let database: Database;
beforeAll(async () => {
  stand = await startStand({
    settings: { OPS_TOKEN, LOG_LEVEL: 'warn', DIRECTUM_POLL_SECONDS: '1' },
    rescanMs: 1_000,
    // Its log is read.
    embedded: true,
  });
  server = await startEmbedded({ dataDir: stand.dataDir, log: quietLog });
  database = await openDatabase({ databaseUrl: server.url });
  await stand.pause();
}, 60_000);
afterAll(async () => {
  await stand?.pause();
  await database?.close();
  await server?.stop();
  await stand?.stop();
});

/** Rows that are over and done with, by table; `n` numbers them, `p` is the portal. */
const PAST: Record<string, string> = {
  run: `(id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, attempts, ending, outcome, ended_at)
    SELECT 'old' || n, p, p, 'directum_create_contract', 'DEAL_' || n, 'x', true, 'ended', now() - interval '9 days', now(), now() - interval '9 days', 1, 'done', '{}',
      now() - interval '1 day' * CASE WHEN n % 20 = 0 THEN 400 ELSE 9 END`,
  run_attempt: `SELECT 'old' || n, 1, now(), now(), 'done', NULL`,
  saved_file: `SELECT 'old' || n, 'x'`,
  document: `(id, observed, status, status_since, ended_at) SELECT n, '{}', 'deleted', now(), now() - interval '90 days'`,
  watched_document: `(portal, item_code, document_id, created_at, gone_at) SELECT p, 'DEAL_' || n, n, now(), now()`,
  document_slot: `(portal, item_code, slot, document_id, url) SELECT p, 'DEAL_' || n, 'contract', n, 'x'`,
  document_intent: `SELECT 'b24:' || p || ':DEAL_' || n || ':contract', 'old' || n`,
  document_task: `SELECT n, n`,
  assignment: `SELECT n, n, '{}'`,
  counterparty_pair: `(portal, crm_key, directum_id, type) SELECT p, 'COMPANY_' || n, n, 'company'`,
  past_run: `SELECT 'past' || n`,
  outbox: `(recipient, portal, kind, lane, dedupe_key, document_id, run_id, item_code, payload, state, created_at, due_at, settled_at, user_id, message, messaged_at)
    SELECT p, p, kind, lane, kind || n, CASE WHEN kind <> 'answer' THEN n END, CASE kind WHEN 'answer' THEN 'old' || n END, 'DEAL_' || n, 'x', 'sent',
      now(), now(), now(), CASE kind WHEN 'notice' THEN n % 50 END, n, now() - interval '9 days'
    FROM (VALUES ('answer', 'second'), ('notice', 'message'), ('trigger', 'trigger'), ('task', 'task')) AS kinds (kind, lane),`,
  journal: `(at, portal, item_code, document_id, type, actor, data, seal_no, hash, key_id)
    SELECT now() - interval '9 days', p, 'DEAL_' || n % 300000, n % 100000, 'run.ended', 'run x', '{}', n, n, 'k'`,
  mirrored_task: `(portal, assignment_id, item_code, document_id, wanted, wanted_hash, task_id, ended)
    SELECT p, n, 'DEAL_' || n, n, 'x', 'x', n, true`,
};

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Node[];
}

/** Everything that the server was asked since its connections explain themselves, with what each plan really did. */
async function readPlans(): Promise<{ text: string; plan: Node }[]> {
  const folder = join((await openPlace(stand.dataDir)).cluster, 'log');
  const logs = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  // Lines that go on begin with a tab.
  return [...logs.join('\n').matchAll(/LOG: {2}duration: .* plan:\n((?:\t.*\n)+)/g)].map(([, json = '']) => {
    const found = JSON.parse(json) as { 'Query Text': string; Plan: Node };
    return { text: found['Query Text'], plan: found.Plan };
  });
}

function walks(node: Node): string[] {
  const seen =
    (node['Actual Rows'] +
      (node['Rows Removed by Filter'] ?? 0) +
      (node['Rows Removed by Index Recheck'] ?? 0)) *
    node['Actual Loops'];
  const table = node['Relation Name'];
  const isWalk = table !== undefined && table in PAST && (node['Node Type'] === 'Seq Scan' || seen > MANY);
  return [
    ...(isWalk ? [`${node['Node Type']} on ${table}: ${seen} rows`] : []),
    ...(node.Plans ?? []).flatMap(walks),
  ];
}

/** Statements that the loops and /metrics are known by. */
const KNOWN = {
  metrics: /oldest_unanswered|AS oldest/,
  'metrics of waits': /AS late/,
  claim: /run claim/,
  keep: /SET lease_until = clock_timestamp/,
  reclaim: /abandoned = abandoned \+ CASE/,
  'claim ahead': /AS newest FROM long/,
  orphanedRuns: /AS member FROM open/,
  outbox: /UPDATE outbox SET locked_until.*unsure/s,
  'what became of it': /'second', run_id/,
  'waits whose time is over': /wait\.deadline_at <= \$1/,
  'waits that changed': /wait\.seen <> c\.seen/,
  rescan: /document_id > \$1 GROUP BY document_id/,
  'swept documents': /status NOT IN/,
  looks: /look_at <= \$1 ORDER BY/,
  messages: /count\(DISTINCT message\)/,
  dates: /AND dates IS NOT NULL/,
  feeds: /UPDATE feed SET holder/,
  'deletion for age': /INSERT INTO past_run/,
  'failures that are new': /FROM failure WHERE told IS NULL/,
  sealing: /WHERE seal_no IS NULL ORDER BY id/,
  'the end of the chain': /ORDER BY seal_no DESC LIMIT 1/,
  'old lines': /at < \$1 AS old/,
  quarantine: /FROM quarantine WHERE retry_at/,
  'update-deal': /SET taken_until = \$3/,
};

it('neither /metrics nor a loop walks through what is over and done with', async () => {
  const { memberId } = stand.portal;
  await database.query('SET synchronous_commit = off');
  for (const [table, rows] of Object.entries(PAST))
    await database.query(
      `INSERT INTO ${table} ${rows}${rows.endsWith(',') ? '' : ' FROM'} generate_series(1000000, ${999_999 + (OLD_OF[table] ?? OLD)}) AS n, (SELECT '${memberId}'::text AS p) AS portal`,
    );
  await database.query('ANALYZE');
  await database.query(`
    ALTER ROLE CURRENT_USER SET session_preload_libraries = 'auto_explain';
    ALTER ROLE CURRENT_USER SET auto_explain.log_min_duration = 0;
    ALTER ROLE CURRENT_USER SET auto_explain.log_analyze = on;
    ALTER ROLE CURRENT_USER SET auto_explain.log_timing = off;
    ALTER ROLE CURRENT_USER SET auto_explain.log_format = 'json'`);
  await stand.restart();

  // One run takes long enough for its lease to be kept.
  stand.directum.misbehave.next({ verb: 'GET', path: /^IContracts\?.*DEAL_/, delayMs: 4_000 });
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  expect(made).toMatchObject({ ok: 'Y' });
  stand.portal.placeRobot('C1:G', 'directum_wait_signature', {});
  const workflow = await stand.portal.moveItem(2, deal, 'C1:G');
  const scrape = () => fetch(`${stand.url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  const gauge = async (name: string) =>
    Number(new RegExp(`^directum_robots_${name} (.*)$`, 'm').exec(await (await scrape()).text())?.[1]);
  await expect.poll(() => gauge('waits')).toBe(1);
  stand.directum.patch('IContracts', Number(made['document_id']), { Subject: 'Другая поставка' });
  const missing = async () => {
    await scrape();
    const plans = await readPlans();
    return Object.entries(KNOWN).flatMap(([name, pattern]) =>
      plans.some(({ text }) => pattern.test(text)) ? [] : [name],
    );
  };
  await expect.poll(missing, { timeout: 30_000, interval: 500 }).toEqual([]);
  stand.directum.sign(Number(made['document_id']));
  await stand.portal.waitForStep(workflow, 'directum_wait_signature', 20_000);

  const found = (await readPlans()).flatMap(({ text, plan }) =>
    walks(plan).map((walk) => `${walk}\n${text.replaceAll(/\s+/g, ' ').slice(0, 300)}`),
  );
  expect([...new Set(found)]).toEqual([]);
}, 240_000);
