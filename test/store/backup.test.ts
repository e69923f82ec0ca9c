import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeBackup } from '../../src/store/backup/backup.ts';
import { checkBackup, restoreBackup } from '../../src/store/backup/restore.ts';
import { listTables } from '../../src/store/backup/tables.ts';
import { createIncomingCalls } from '../../src/store/runs/incoming-calls.ts';
import { createRunStore } from '../../src/store/runs/runs.ts';
import { createSecretKeys, loadKeyList, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openDiskSpool } from '../../src/store/spool/disk-spool.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { layCluster } from './ready-cluster.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const passphrase = 'a passphrase';
const now = () => new Date('2026-09-01T10:00:00.123Z');
const folders: string[] = [];
const stores: Store[] = [];
let source: { dataDir: string; keyList: string; store: Store };
let path: string;

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'backup-store-'));
  await chmod(made, 0o755);
  folders.push(made);
  return made;
}

async function open(dataDir: string, keyList: string): Promise<Store> {
  await layCluster(dataDir);
  const keys = createSecretKeys(parseSecretKeys(keyList));
  const store = await openStore({ dataDir, keys, log: quiet, now });
  stores.push(store);
  return store;
}

const backup = (to: string) =>
  writeBackup({
    path: to,
    passphrase,
    pool: source.store.pool,
    keyList: source.keyList,
    spoolFolder: join(source.dataDir, 'spool'),
    version: '1.2.3',
    madeAt: now(),
  });

const run = (id: string, call: string) => ({
  id,
  memberId: 'm',
  portal: 'm',
  robot: 'directum_create_contract',
  itemCode: 'DEAL_1',
  call,
  wantsAnswer: true,
  receivedAt: now(),
  deadlineAt: now(),
});

beforeAll(async () => {
  const dataDir = await folder();
  const keyList = await loadKeyList({ dataDir });
  const store = await open(dataDir, keyList);
  source = { dataDir, keyList, store };
  await store.installations().set('m', { refreshToken: 'canary-token' });
  const runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
  // More than one fetch, long texts, and characters that a careless line format would trip over.
  const many = Array.from({ length: 250 }, (_, index) =>
    run(`run-${index}`, `tab\t line\n "quote" ё ${index}`),
  );
  const keys = createSecretKeys(parseSecretKeys(keyList));
  const calls = createIncomingCalls({ pool: store.pool, keys, now });
  await calls.accept([...many, run('long', randomBytes(700_000).toString('base64'))]);
  const attempt = { startedAt: now(), finishedAt: now(), ending: 'done', text: null };
  const answer = { payload: 'p', dueAt: now() };
  for (const { id } of many.slice(0, 5)) await runs.end(id, attempt, { ok: 'Y' }, answer);
  await store.pool.query(`UPDATE run SET state = 'running' WHERE id = 'run-7'`);
  await store.slots('m', 'DEAL_1', 'run-1').bind('contract', { id: 2 ** 40, url: 'https://rx/' });
  await store.pool.query(
    `INSERT INTO past_run SELECT 'past-' || n FROM generate_series(1, 3) AS n; INSERT INTO past_portal VALUES ('m', 'first')`,
  );
  await store.cache.set('key', { deep: [1.5, null, 'x'] }, 1000);
  const spool = await openDiskSpool({ folder: join(dataDir, 'spool'), keys, log: quiet });
  await spool.append('a call in the spool');
  await spool.close();
  path = join(await folder(), 'file.backup');
  await backup(path);
}, 60_000);
afterAll(async () => {
  for (const store of stores) await store.close();
  for (const one of folders) await rm(one, { recursive: true, force: true });
});

async function contents(store: Store): Promise<Record<string, string[]>> {
  const client = await store.pool.connect();
  try {
    const all: Record<string, string[]> = {};
    for (const { name } of await listTables(client)) {
      const { rows } = await client.query(`SELECT t::text AS row FROM ${name} t ORDER BY 1`);
      all[name] = rows.map(({ row }) => row);
    }
    return all;
  } finally {
    client.release();
  }
}

async function restore(
  target: { dataDir: string; store: Store },
  change: { secretKeys?: string; replace?: boolean } = {},
) {
  const checked = await checkBackup(path, passphrase);
  return restoreBackup({
    path,
    passphrase,
    checked,
    pool: target.store.pool,
    dataDir: target.dataDir,
    secretKeys: change.secretKeys,
    replace: change.replace ?? false,
  });
}

async function target() {
  const dataDir = await folder();
  return { dataDir, store: await open(dataDir, source.keyList) };
}

it('brings back every row of every table, the spool and the keys; a run that was held is due again', async () => {
  const here = await target();
  await restore(here);
  const expected = await contents(source.store);
  expect(expected['run']).toHaveLength(251);
  expect(expected).toMatchObject({
    past_run: ['(past-1)', '(past-2)', '(past-3)'],
    past_portal: ['(m,first)'],
  });
  expected['run'] = (expected['run'] ?? []).map((row) => row.replace(',running,', ',accepted,')).sort();
  const restored = await contents(here.store);
  restored['run']?.sort();
  expect(restored).toEqual(expected);
  expect(await readFile(join(here.dataDir, 'keys'), 'utf8')).toBe(`${source.keyList}\n`);
  const spool = await openDiskSpool({
    folder: join(here.dataDir, 'spool'),
    keys: createSecretKeys(parseSecretKeys(source.keyList)),
    log: quiet,
  });
  const texts: string[] = [];
  await spool.drain(async (some) => void texts.push(...some));
  expect(texts).toEqual(['a call in the spool']);
  await spool.close();
  // Numbers that the database gives go on behind the restored ones.
  const attempt = { startedAt: now(), finishedAt: now(), ending: 'done', text: null };
  const answer = { payload: 'p', dueAt: now() };
  const runs = createRunStore(here.store.pool, here.store.asyncCommitPool, here.store.content);
  expect(await runs.end('run-9', attempt, {}, answer)).toBe(true);
});

describe('a file', () => {
  const tell = (bytes: Buffer, words = passphrase) => {
    const other = `${path}.other`;
    return writeFile(other, bytes)
      .then(() => checkBackup(other, words))
      .then(
        () => 'whole',
        (error: Error) => error.message,
      );
  };

  it('that is whole is whole, and another passphrase is told from damage', async () => {
    const bytes = await readFile(path);
    expect(await tell(bytes)).toBe('whole');
    expect(await tell(bytes, 'A passphrase')).toContain('BACKUP_PASSPHRASE is not the one');
    expect(await tell(Buffer.from('PGDMP a dump of something else'))).toContain(
      'not a backup of this service',
    );
    expect(await tell(Buffer.alloc(0))).toContain('not a backup of this service');
  });

  it('that was cut anywhere is refused', async () => {
    const bytes = await readFile(path);
    const frame = bytes.length - 64 * 1024;
    for (const length of [10, 60, 70, 200, frame, Math.floor(bytes.length / 2), bytes.length - 1])
      expect({ length, said: await tell(bytes.subarray(0, length)) }).toEqual({
        length,
        said: expect.stringMatching(/cut|damaged/),
      });
  });

  it('with any bit turned, a frame left out or bytes added is refused', async () => {
    const bytes = await readFile(path);
    for (let tries = 0; tries < 12; tries += 1) {
      const at = 66 + Math.floor(((bytes.length - 67) * tries) / 11);
      const turned = Buffer.from(bytes);
      turned[at] = (turned[at] as number) ^ 1;
      expect({ at, said: await tell(turned) }).toEqual({ at, said: expect.stringMatching(/damaged|cut/) });
    }
    expect(await tell(Buffer.concat([bytes, bytes.subarray(-40)]))).toContain('damaged');
    const header = bytes.subarray(0, 34 + 32);
    const length = bytes.readUInt32BE(header.length) + 20;
    expect(await tell(Buffer.concat([header, bytes.subarray(header.length + length)]))).toContain('damaged');
  });

  it('appears only when complete', async () => {
    const place = await folder();
    await expect(
      writeBackup({
        path: join(place, 'x'),
        passphrase,
        pool: source.store.pool,
        keyList: source.keyList,
        spoolFolder: join(path, 'not-a-folder'),
        version: '1',
        madeAt: now(),
      }),
    ).rejects.toThrow('ENOTDIR');
    expect(await readdir(place)).toEqual([]);
  });
});

it('is refused by tables of another version, and nothing changes', async () => {
  const here = await target();
  await here.store.pool.query(`INSERT INTO schema_migration (name, run_on) VALUES ('999_next', now())`);
  await expect(restore(here)).rejects.toThrow(/made by version 1\.2\.3 .* of 999_next/);
  expect((await contents(here.store))['run']).toEqual([]);
});

it('is refused by a database that holds something, and replaces it when told to', async () => {
  const here = await target();
  // Over the connection that the restoring itself uses: any other would be a process at work.
  await here.store.pool.query(
    `INSERT INTO document_slot (portal, item_code, slot, document_id, url) VALUES ('m', 'DEAL_9', 'contract', 9, 'https://rx/9')`,
  );
  await expect(restore(here)).rejects.toThrow('the database is not empty (table document_slot)');
  expect((await contents(here.store))['document_slot']).toHaveLength(1);
  await restore(here, { replace: true });
  const { document_slot: slots, run: rows } = await contents(here.store);
  expect(slots).toEqual((await contents(source.store))['document_slot']);
  expect(rows).toHaveLength(251);
});

it('never leaves rows without the key that opens them', async () => {
  const here = await target();
  const other = `k1:${randomBytes(32).toString('base64')}`;
  await expect(restore(here, { secretKeys: other })).rejects.toThrow("SECRET_KEYS lacks the backup's key k1");
  await writeFile(join(here.dataDir, 'keys'), `${other}\n`);
  const spool = await openDiskSpool({
    folder: join(here.dataDir, 'spool'),
    keys: createSecretKeys(parseSecretKeys(other)),
    log: quiet,
  });
  await spool.append('sealed with the other key');
  await expect(restore(here)).rejects.toThrow('only its present key opens');
  await spool.drain(async () => undefined);
  await spool.close();
  await restore(here);
  expect(await readFile(join(here.dataDir, 'keys'), 'utf8')).toBe(`${source.keyList}\n`);
  expect(await readFile(join(here.dataDir, 'keys.before-restore'), 'utf8')).toBe(`${other}\n`);
  const rotated = `k2:${randomBytes(32).toString('base64')},${source.keyList}`;
  const next = await target();
  await restore(next, { secretKeys: rotated });
  await expect(readFile(join(next.dataDir, 'keys'))).rejects.toThrow('ENOENT');
});
