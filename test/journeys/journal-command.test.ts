import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeJournal, writePeople } from '../../src/store/journal/write-journal.ts';
import { runCommand } from './command.ts';
import { type Stand, startStand } from './stand.ts';

let stand: Stand;
let database: pg.Client;
let folder: string;

beforeAll(async () => {
  stand = await startStand();
  database = new pg.Client({ connectionString: stand.databaseUrl ?? '' });
  await database.connect();
  folder = await mkdtemp(join(tmpdir(), 'journal-'));
  await writePeople(database, [{ key: 'directum 17', name: 'Петрова Анна', email: null }]);
  await writeJournal(database, [
    {
      at: new Date('2026-03-02T07:00:00Z'),
      portal: 'acme',
      itemCode: 'DEAL_915',
      documentId: 5001,
      type: 'assignment.begun',
      actor: 'service',
      data: { performer: 'directum 17', deadline: null },
    },
    {
      at: new Date('2026-03-03T07:00:00Z'),
      portal: 'acme',
      itemCode: 'DEAL_916',
      documentId: 5002,
      type: 'run.cancelled',
      actor: 'operator',
      data: {},
    },
  ]);
});
afterAll(async () => {
  await database?.end();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
});

const journal = (...args: string[]) => runCommand('journal', args, { ...stand.env, LANG: 'en_US.UTF-8' });
const listed = async (...args: string[]) => (await journal('list', ...args)).out.trim().split('\n');

it('seals lines within seconds', async () => {
  const waiting = async () =>
    (await database.query('SELECT 1 FROM journal WHERE seal_no IS NULL')).rows.length;
  await expect.poll(waiting).toBe(0);
});

it('lists lines by item, actor and time, with names of people', async () => {
  expect(await listed('--item', 'DEAL_915')).toEqual([
    '2026-03-02T10:00:00+03:00  assignment.begun  DEAL_915  #5001  [service]  deadline=null  performer=Петрова Анна',
  ]);
  expect(await listed('--actor', 'OPERATOR')).toHaveLength(1);
  expect(await listed('--from', '2026-03-01', '--to', '2026-03-02')).toHaveLength(1);
  expect(await listed('--from', '2026-03-03T10:00', '--to', '2026-03-03')).toEqual([
    expect.stringContaining('run.cancelled  DEAL_916'),
  ]);
  expect(await listed('--to', '2020-01-01')).toEqual(['no lines']);
});

it('exports all of it as JSON lines', async () => {
  const file = join(folder, 'journal.jsonl');
  expect(await journal('export', file)).toMatchObject({ code: 0 });
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.find(({ documentId }) => documentId === 5001)).toMatchObject({
    type: 'assignment.begun',
    sealNo: expect.any(Number),
    people: { 'directum 17': 'Петрова Анна' },
  });
  expect(await journal('export')).toMatchObject({ code: 1, err: expect.stringContaining('FILE is missing') });
});

it('verifies it, finds one changed sign, and an end that was cut off', async () => {
  const whole = await journal('verify');
  expect(whole).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^whole up to line \d+, hash [0-9a-f]{64}\n$/),
  });
  const [, hash = ''] = /hash (\w+)/.exec(whole.out) ?? [];
  expect(await journal('verify', '--expect', hash)).toMatchObject({ code: 0 });
  expect(await journal('verify', '--expect', 'f'.repeat(64))).toMatchObject({ code: 1 });
  const { rows } = await database.query('SELECT seal_no FROM journal WHERE document_id = 5001');
  await database.query(`UPDATE journal SET actor = 'operator' WHERE document_id = 5001`);
  expect(await journal('verify')).toMatchObject({
    code: 1,
    err: expect.stringContaining(`broken at line ${rows[0].seal_no}: it is not as it was sealed`),
  });
  await database.query(`UPDATE journal SET actor = 'service' WHERE document_id = 5001`);
  expect(await journal('verify')).toMatchObject({ code: 0 });
});

it('doctor tells when lines wait for their seal', async () => {
  const doctor = async () => (await runCommand('doctor', [], { ...stand.env, LANG: 'en_US.UTF-8' })).out;
  expect(await doctor()).toMatch(/✓ journal: sealed up to line \d+/);
});
