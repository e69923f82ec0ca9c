import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/robot/ports/log.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { createDatabase } from './shared-server.ts';

export interface StoreBench {
  dataDir: string;
  url: string;
  lines: { level: string; event: string; facts: Record<string, unknown> }[];
  log: Log;
  /** Another store on the same database, as a second process would have. */
  open(rate?: { perSecond: number; bucket: number }, now?: () => Date): Promise<Store>;
  close(): Promise<void>;
}

/** A temporary DATA_DIR and a real database behind every store opened on them. */
export async function storeBench(): Promise<StoreBench> {
  const dataDir = await openFolder();
  const database = await createDatabase();
  const lines: StoreBench['lines'] = [];
  const log = memoryLog(lines);
  const stores: Store[] = [];
  return {
    dataDir,
    url: database.url,
    lines,
    log,
    async open(rate, now = () => new Date()) {
      const keys = await loadSecretKeys({ dataDir });
      const store = await openStore({ databaseUrl: database.url, dataDir, keys, log, now, rate });
      stores.push(store);
      return store;
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()));
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function memoryLog(lines: StoreBench['lines']): Log {
  const writer =
    (level: string) =>
    (event: string, facts: Record<string, unknown> = {}) => {
      lines.push({ level, event, facts });
    };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

/**
 * A temporary folder that PostgreSQL's unprivileged user can enter too: from a closed one root's cluster would
 * move to a system folder and stay there.
 */
export async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-test-'));
  await chmod(folder, 0o755);
  return folder;
}
