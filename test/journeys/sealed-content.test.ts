import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { runCommand } from './command.ts';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const KEYS = `own:${Buffer.alloc(32, 7).toString('base64')}`;
const CREATE = 'directum_create_contract';

/** What people wrote or are called on the trip, each word found nowhere else. */
const WORDS = [
  ...['Ромашка', 'Иванов', 'Сидоров', 'Пётр', 'ivanov@acme.example', 'sidorov@acme.example'],
  ...['Поставка станка', 'Предмет-канарейка', 'Нечисло', 'Задание-канарейка'],
];

let stand: Stand;
let database: Database;
beforeAll(async () => {
  stand = await startStand({
    settings: { SECRET_KEYS: KEYS, DIRECTUM_POLL_SECONDS: '1', FAILURES_SHOWN: 'both' },
  });
  database = await openDatabase(stand);
}, 30_000);
afterAll(async () => {
  await database?.close();
  await stand?.stop();
});

/** Every value of a column that can hold a text, by the column. Names beside the journal lie open (docs/operations.md). */
async function columns(): Promise<Map<string, string[]>> {
  const { rows } = await database.query<{ name: string; sql: string }>(
    `SELECT table_name || '.' || column_name AS name,
       format('SELECT DISTINCT %1$I::text AS kept FROM %2$I WHERE %1$I IS NOT NULL', column_name, table_name) AS sql
     FROM information_schema.columns WHERE table_schema = current_schema() AND table_name <> 'journal_person'
       AND data_type IN ('text', 'character varying', 'json', 'jsonb') ORDER BY 1`,
  );
  const found = new Map<string, string[]>();
  for (const { name, sql } of rows)
    found.set(
      name,
      (await database.query<{ kept: string }>(sql)).rows.map(({ kept }) => kept),
    );
  return found;
}

const open = (found: Map<string, string[]>) =>
  [...found].flatMap(([name, kept]) => wordsIn(kept).map((word) => `${name}: ${word}`));
const wordsIn = (texts: Iterable<string>) => {
  const all = [...texts].join('\n').toLowerCase();
  // JSON may write letters as escapes.
  const escaped = (word: string) =>
    [...word].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  return WORDS.filter((word) => all.includes(word.toLowerCase()) || all.includes(escaped(word)));
};

/** Content as the version before migration 035 wrote it: all of it lies open. */
const FORMER: Record<string, string> = {
  'document.observed': 'document.observed',
  'document.dates': 'document.dates',
  'assignment.seen': 'assignment.seen',
  'watched_document.shown': 'watched_document.shown',
  'document_slot.shown': 'document_slot.shown',
  'wait.facts': 'wait.facts',
  'run.last_text': 'run.text',
  'run.outcome': 'run.outcome',
  'run_attempt.text': 'run.text',
  'failure.text': 'run.text',
};
const keys = createSecretKeys(parseSecretKeys(KEYS));
/** Envelopes among what the columns hold, opened. */
function opened(found: Map<string, string[]>): string[] {
  return Object.entries(FORMER).flatMap(([name, context]) =>
    (found.get(name) ?? []).flatMap((kept) =>
      kept.startsWith('"v1.') ? [keys.decrypt(JSON.parse(kept), context)] : [],
    ),
  );
}

it('after a whole trip no name, title, e-mail or text of it lies in the clear', async () => {
  const { deal } = addDeal(stand);
  stand.portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Сидоров', EMAIL: 'sidorov@acme.example' });
  const made = await runStep(stand, deal, CREATE, {
    subject: 'Предмет-канарейка',
    template: 'Типовой договор',
  });
  const id = Number(made['document_id']);
  await runStep(stand, deal, 'directum_start_approval', {});
  stand.portal.placeRobot('C1:WAITS', 'directum_wait_signature', { wait_for: 'both' });
  const waiting = await stand.portal.moveItem(2, deal, 'C1:WAITS');
  await expect
    .poll(async () => (await database.query('SELECT FROM wait')).rowCount, { timeout: 15_000 })
    .toBe(1);
  await expect.poll(() => stand.portal.tasks().length, { timeout: 15_000 }).toBe(1);
  const [assignment] = stand.directum.all('IAssignments');
  expect(assignment).toBeDefined();

  const other = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(3) } });
  const failed = await runStep(stand, other.deal, CREATE, { subject: 'x', amount: 'Нечисло' });
  expect(failed).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
  stand.portal.placeRobot('C1:QUIET', CREATE, { subject: 'x', amount: 'Нечисло' }, { useSubscription: 'N' });
  await stand.portal.moveItem(2, other.deal, 'C1:QUIET');
  const failures = async () => (await database.query('SELECT FROM failure WHERE told IS NOT NULL')).rowCount;
  await expect.poll(failures, { timeout: 15_000 }).toBeGreaterThan(0);

  // In the middle of it, and at its end.
  const amid = await columns();
  expect(open(amid)).toEqual([]);
  stand.directum.sign(id);
  stand.directum.patch('IContracts', id, { ExternalApprovalState: 'Signed' });
  const step = await stand.portal.waitForStep(waiting, 'directum_wait_signature', 20_000);
  expect(step.outputs).toMatchObject({ result: 'signed' });
  const statusOf = async () =>
    (await database.query('SELECT status FROM document WHERE id = $1', [id])).rows[0].status;
  await expect.poll(statusOf, { timeout: 15_000 }).toBe('signed_both');
  const isShown = async () =>
    (
      await database.query(
        `SELECT FROM watched_document, document_slot AS s WHERE show_at IS NULL AND s.shown IS NOT NULL`,
      )
    ).rowCount;
  await expect.poll(isShown, { timeout: 15_000 }).toBe(1);
  const atEnd = await columns();
  expect(open(atEnd)).toEqual([]);

  // It was there to be found: each column held something, and opened it shows the words.
  const held = Object.keys(FORMER).filter((name) =>
    [amid, atEnd].some((found) => found.get(name)?.some((kept) => kept.startsWith('"v1.own.'))),
  );
  expect(held).toEqual(Object.keys(FORMER));
  const readable = wordsIn([...opened(amid), ...opened(atEnd)]);
  expect(readable).toEqual(expect.arrayContaining(['Ромашка', 'Сидоров', 'Предмет-канарейка', 'Нечисло']));
}, 90_000);

it('an operator reads texts and outputs of runs as before', async () => {
  const { rows } = await database.query<{ id: string; ending: string }>(
    `SELECT id, ending FROM run WHERE robot = $1 AND state = 'ended' ORDER BY ending`,
    [CREATE],
  );
  const shown = await Promise.all(rows.map(({ id }) => runCommand('runs', ['show', id], stand.env)));
  expect(shown.map(({ out }) => out).join()).toMatch(/Нечисло/);
  expect(shown.map(({ out }) => out).join()).toMatch(/document_url/);
  const { out } = await runCommand('doctor', ['--json'], { ...stand.env, LANG: 'en_US.UTF-8' });
  const finding = (JSON.parse(out) as { check: string; ok: boolean; text: string }[]).filter(({ check }) =>
    ['keys', 'content', 'contracts'].includes(check),
  );
  expect(finding).toMatchObject([
    { check: 'keys', ok: true },
    { check: 'content', ok: true },
    { check: 'contracts', ok: true, text: expect.stringContaining('made one at') },
  ]);
}, 60_000);

it('what an earlier version left in the clear is sealed by the next start, and the trip goes on', async () => {
  const before = await columns();
  for (const [name, context] of Object.entries(FORMER)) {
    const [table, column] = name.split('.') as [string, string];
    for (const kept of before.get(name) ?? [])
      await database.query(`UPDATE ${table} SET ${column} = $2::jsonb WHERE ${column} = $1::jsonb`, [
        kept,
        keys.decrypt(JSON.parse(kept), context),
      ]);
  }
  expect(open(await columns()).length).toBeGreaterThan(3);
  await stand.restart();
  await expect.poll(async () => open(await columns()), { timeout: 20_000 }).toEqual([]);
  expect(wordsIn(opened(await columns()))).toEqual(wordsIn(opened(before)));
  const messages = () => stand.portal.notices().length + stand.portal.triggerRuns.length;
  const told = messages();
  await runStep(stand, addDeal(stand).deal, CREATE, { subject: 'Дальше' });
  expect(messages()).toBe(told);
}, 60_000);

it('with another key the service goes on, and doctor names what it does without', async () => {
  const next = `next:${Buffer.alloc(32, 8).toString('base64')}`;
  Object.assign(stand.env, { SECRET_KEYS: `${next},${KEYS}` });
  await stand.restart();
  await runStep(stand, addDeal(stand).deal, CREATE, { subject: 'С новым ключом' });
  // Installations were opened by both keys, and are written with the first again.
  await stand.portal.install(`${stand.url}/bitrix24/install`);
  // The second sending of each answer.
  await database.query(`UPDATE outbox SET due_at = now() WHERE state = 'due'`);
  const due = async () => (await database.query(`SELECT FROM outbox WHERE state = 'due'`)).rowCount;
  await expect.poll(due, { timeout: 20_000 }).toBe(0);
  Object.assign(stand.env, { SECRET_KEYS: next });
  await stand.restart();
  const { out } = await runCommand('doctor', ['--json'], { ...stand.env, LANG: 'en_US.UTF-8' });
  const findings = JSON.parse(out) as { check: string; ok: boolean; text: string }[];
  expect(findings.filter(({ check }) => ['keys', 'content'].includes(check))).toMatchObject([
    { check: 'keys', ok: true },
    {
      check: 'content',
      ok: false,
      text: expect.stringMatching(/no key with id own .*texts and outputs of runs/),
    },
  ]);
  const made = await runStep(stand, addDeal(stand).deal, CREATE, { subject: 'Без старого ключа' });
  expect(made).toMatchObject({ ok: 'Y' });
}, 90_000);
