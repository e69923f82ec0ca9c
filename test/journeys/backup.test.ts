import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeBackup } from '../../src/store/backup/backup.ts';
import { createSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore } from '../../src/store/store.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { runCommand, runOnTerminal, runProcess } from './command.ts';
import { addDeal, CLIENT, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
const PASSPHRASE = 'correct horse battery staple';

let stand: Stand;
let home: string;
let file: string;
const fresh: string[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'backup-'));
  file = join(home, 'robots.backup');
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' }, rescanMs: 2_000, embedded: true });
});
afterAll(async () => {
  await stand.stop();
  for (const folder of [home, ...fresh]) await rm(folder, { recursive: true, force: true });
});

const order = (
  name: 'backup' | 'restore',
  args: string[],
  env: Record<string, string | undefined> = {},
  how = runCommand,
) => how(name, args, { ...stand.env, BACKUP_PASSPHRASE: PASSPHRASE, ...env });

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'restored-'));
  fresh.push(folder);
  await chmod(folder, 0o755);
  return folder;
}

const contractsOf = (deal: number) =>
  stand.directum
    .all('IContracts')
    .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`)).length;

async function begin(deal: number, stage: string, code: string, properties: Record<string, unknown>) {
  stand.portal.placeRobot(stage, code, properties);
  return { deal, workflow: await stand.portal.moveItem(2, deal, stage) };
}

const logged = (event: string) => stand.lines.filter((line) => line.includes(`"${event}"`)).length;

it('yesterday’s backup in a new place goes on where it was, and makes no second contract', async () => {
  const [known, later, postponed, working, watched] = [1, 2, 3, 4, 5].map(() => addDeal(stand).deal) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const before = await runStep(stand, known, CREATE, { subject: 'До копии' });
  const document = await runStep(stand, watched, CREATE, { subject: 'Ждёт', template: 'Типовой договор' });
  const waiting = await begin(watched, 'C1:W', WAIT, {});
  await expect.poll(() => logged('run.waiting')).toBe(1);
  // One run whose job is at work, and one that was put off.
  stand.directum.misbehave.next({ verb: 'POST', path: /IContracts$/, hang: true });
  const atWork = await begin(working, 'C1:Q', CREATE, { subject: 'В работе' });
  const hangs = () =>
    stand.directum.journal.some(
      ({ verb, path, status }) => `${verb} ${path} ${status}` === 'POST IContracts 0',
    );
  await expect.poll(hangs).toBe(true);
  stand.directum.misbehave.down = true;
  const putOff = await begin(postponed, 'C1:P', CREATE, { subject: 'Отложен' });
  await expect.poll(() => logged('run.postponed'), { timeout: 10_000 }).toBeGreaterThan(0);

  const made = await order('backup', [file], {}, runProcess);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toMatch(/: \d+ rows \(5 runs\), 0 spool files, the keys/);
  const bytes = await readFile(file, 'latin1');
  for (const text of [CLIENT.clientSecret, stand.portal.applicationToken, 'До копии', 'DEAL_', 'k1:'])
    expect(bytes).not.toContain(text);

  stand.directum.misbehave.reset();
  const after = await runStep(stand, later, CREATE, { subject: 'После копии' });
  expect(after).toMatchObject({ ok: 'Y', created: 'Y' });
  stand.directum.misbehave.down = true;
  expect(await order('restore', [file])).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('is at work on this database: stop it first'),
  });
  await stand.pause();

  expect(await order('restore', [file])).toMatchObject({
    code: 1,
    err: expect.stringContaining('the database is not empty'),
  });
  stand.env.DATA_DIR = await freshFolder();
  expect(await order('restore', [file], {}, runProcess)).toMatchObject({ code: 0, err: '' });
  stand.directum.misbehave.reset();
  await stand.restart();

  for (const { workflow, deal } of [atWork, putOff]) {
    const step = await stand.portal.waitForStep(workflow, CREATE, 30_000);
    expect(step.outputs).toMatchObject({ ok: 'Y' });
    expect(contractsOf(deal)).toBe(1);
  }
  for (const [deal, outputs] of [
    [known, before],
    [later, after],
  ] as const) {
    const again = await runStep(stand, deal, CREATE, { subject: 'Ещё раз' });
    expect(again).toMatchObject({ ok: 'Y', created: 'N', document_id: outputs['document_id'] });
    expect(contractsOf(deal)).toBe(1);
  }
  stand.directum.sign(Number(document['document_id']));
  const signed = await stand.portal.waitForStep(waiting.workflow, WAIT, 15_000);
  expect(signed.outputs).toMatchObject({ ok: 'Y', result: 'signed' });
  // The journal came along, and its chain holds from before the backup to now.
  const verified = await runCommand('journal', ['verify'], { ...stand.env, LANG: 'en_US.UTF-8' });
  expect(verified).toMatchObject({ code: 0, out: expect.stringMatching(/^whole up to line [1-9]\d+,/) });
}, 90_000);

it('restores what was made with a short passphrase, and shows on a terminal how far it is', async () => {
  const keyList = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
  const DATA_DIR = await freshFolder();
  await layCluster(DATA_DIR);
  await writeFile(join(DATA_DIR, 'keys'), keyList);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const keys = createSecretKeys(parseSecretKeys(keyList));
  const store = await openStore({ dataDir: DATA_DIR, keys, log, now: () => new Date() });
  const short = join(home, 'short.backup');
  await writeBackup({
    path: short,
    passphrase: 'short',
    pool: store.pool,
    keyList,
    spoolFolder: join(DATA_DIR, 'spool'),
    version: '0.0.0',
    madeAt: new Date('2026-03-02T10:00:00Z'),
  });
  await store.close();
  const restored = await order(
    'restore',
    [short],
    { DATA_DIR: await freshFolder(), BACKUP_PASSPHRASE: 'short', TIME_ZONE: 'Asia/Vladivostok' },
    runOnTerminal,
  );
  expect(restored).toMatchObject({
    code: 0,
    out: expect.stringContaining('known at 2026-03-02T20:00:00+10:00'),
  });
  expect(restored.err).toMatch(/checking the file: \d+ rows/);
  expect(restored.err).toMatch(/\d+ of \d+ rows restored/);
  const again = join(home, 'again.backup');
  const shown = await order('backup', [again], { DATA_DIR }, runOnTerminal);
  expect(shown).toMatchObject({ code: 0, err: expect.stringMatching(/\d+ rows written/) });
  expect(await order('backup', [again], { DATA_DIR })).toMatchObject({ code: 0, err: '' });
}, 60_000);

it('needs its passphrase and its file, and names what is missing', async () => {
  const nowhere = { DATA_DIR: join(home, 'nowhere') };
  for (const [name, args, env, words] of [
    ['backup', [], {}, 'usage: npm run backup -- FILE'],
    ['backup', [file], { BACKUP_PASSPHRASE: undefined }, 'BACKUP_PASSPHRASE: it is required and missing'],
    ['restore', [file], { BACKUP_PASSPHRASE: ' ' }, 'BACKUP_PASSPHRASE: it is required and missing'],
    ['restore', [file], { BACKUP_PASSPHRASE: 'canary-wrong' }, 'BACKUP_PASSPHRASE is not the one'],
    ['restore', [join(home, 'absent')], {}, 'nothing was restored'],
    ['restore', [file, 'other'], {}, 'usage: '],
  ] as const) {
    const { code, out, err } = await order(name, [...args], { ...nowhere, ...env });
    expect({ name, code, out, err }).toEqual({ name, code: 1, out: '', err: expect.stringContaining(words) });
    expect(err).not.toContain('canary');
  }
  await expect(readFile(join(nowhere.DATA_DIR, 'keys'))).rejects.toThrow('ENOENT');
}, 30_000);
