import { rm } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from '../../src/store/postgres/embedded.ts';
import { type Command, runCommand } from '../journeys/command.ts';
import { startProcess } from '../journeys/process.ts';
import { freePort } from '../sandbox/package-settings.ts';
import { memoryLog, openFolder } from './bench.ts';

let dataDir: string;
let postgres: Awaited<ReturnType<typeof startEmbedded>>;
beforeAll(async () => {
  dataDir = await openFolder();
  postgres = await startEmbedded({ dataDir, log: memoryLog([]) });
}, 20_000);
afterAll(async () => {
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function tell(url: string, query: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(query)).rows;
  } finally {
    await client.end();
  }
}

describe.each(['LATIN1', 'SQL_ASCII'])('a database of the encoding %s', (encoding) => {
  let env: Record<string, string>;
  beforeAll(async () => {
    const name = `of_${encoding.toLowerCase()}`;
    await tell(
      postgres.url,
      `CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
    );
    const url = new URL(postgres.url);
    url.pathname = `/${name}`;
    const port = await freePort();
    env = {
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      DATA_DIR: dataDir,
      DATABASE_URL: url.href,
      BITRIX24_CLIENT_ID: 'local.0123456789abcdef',
      BITRIX24_CLIENT_SECRET: 'canary-client-secret',
      BITRIX24_PORTALS: 'http://127.0.0.1:1',
      BITRIX24_OAUTH_SERVERS: 'http://127.0.0.1:1',
      DIRECTUM_URL: 'http://127.0.0.1:1/odata/',
      DIRECTUM_LOGIN: 'bitrix24',
      DIRECTUM_PASSWORD: 'canary-directum-password',
      BACKUP_PASSPHRASE: 'a passphrase of the test',
    };
  });
  const told = (text: string) => {
    expect(text).toContain(`DATABASE_URL: `);
    expect(text).toContain(encoding);
    expect(text).toContain("ENCODING 'UTF8'");
  };

  it('is refused at the start, before anything is made in it', async () => {
    const started = await startProcess(env, 'main').then(
      () => 'it started',
      (error: Error) => error.message,
    );
    told(started);
    expect(started).not.toContain('"stack"');
    expect(
      await tell(
        env['DATABASE_URL'] as string,
        `SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'public'`,
      ),
    ).toEqual([{ tables: 0 }]);
  });

  it.each([
    ['runs', ['list']],
    ['reconcile', []],
    ['register', []],
    ['backup', ['/dev/null/none']],
    ['doctor', []],
  ] as [Command, string[]][])('is refused by %s', async (command, args) => {
    const { code, out, err } = await runCommand(command, args, env);
    expect(code).toBe(1);
    told(out + err);
  });
});
