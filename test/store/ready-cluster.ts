import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { openPlace, saveState } from '../../src/store/postgres/place.ts';
import { createSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore } from '../../src/store/store.ts';
import { freePort } from '../sandbox/package-settings.ts';
import { startSharedServer } from './shared-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** DATA_DIR whose cluster is migrated and stopped. */
    readyCluster: string;
  }
}

/**
 * For the whole test run: one cluster with all tables, made once because that takes longer than most tests, and a server on
 * a copy of it.
 */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), 'ready-cluster-'));
  await chmod(folder, 0o755);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const keys = createSecretKeys(parseSecretKeys(`k1:${randomBytes(32).toString('base64')}`));
  const store = await openStore({ dataDir: folder, keys, log, now: () => new Date() });
  // Nobody makes a database from them, and each is three hundred files to copy.
  await store.pool.query("UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template_'");
  for (const name of ['template0', 'template1']) await store.pool.query(`DROP DATABASE ${name}`);
  await store.close();
  project.provide('readyCluster', folder);
  const shared = `${folder}-shared`;
  await mkdir(shared);
  await layCluster(shared, folder);
  const stopServer = await startSharedServer(shared, project);
  return async () => {
    await stopServer();
    for (const each of [folder, shared]) await rm(each, { recursive: true, force: true });
  };
}

/**
 * Puts a copy of the ready cluster into a fresh DATA_DIR; what starts on it finds empty tables. For tests that kill or stop
 * their server, or are about the embedded one: all others take a database of the shared server.
 */
export async function layCluster(dataDir: string, from: string = inject('readyCluster')): Promise<void> {
  const ready = await openPlace(from);
  const place = await openPlace(dataDir);
  // Node's own copy gives everything to us, and PostgreSQL serves only the owner of its folder.
  if (process.platform === 'win32') await cp(ready.cluster, place.cluster, { recursive: true });
  else execFileSync('cp', ['-a', ready.cluster, place.cluster]);
  await saveState(dataDir, { ...place, password: ready.password, port: await freePort() });
}
