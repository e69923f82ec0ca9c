import type { FileHandle } from 'node:fs/promises';
import fs, { rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/postgres/embedded.ts';
import { quietLog } from '../directum/stand.ts';
import { openFolder } from '../store/bench.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';

/** Bytes that files of the spool may still take; a write past that is cut there, as a full disk cuts it. */
const disk = { room: Number.POSITIVE_INFINITY };
const { open } = fs;

function limited(file: FileHandle): FileHandle {
  const write = file.appendFile.bind(file);
  const put = async (data: string | Uint8Array) => {
    const bytes = Buffer.from(data as Uint8Array);
    const fits = bytes.subarray(0, disk.room);
    disk.room -= fits.length;
    await write(fits);
    if (fits.length < bytes.length)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return Object.assign(file, { appendFile: put, writeFile: put });
}

/** From now on files are opened by `how`, whoever imported it. */
function openBy(how: typeof open): void {
  fs.open = how;
  syncBuiltinESMExports();
}

const CODE = 'directum_create_contract';
let home: string;
let database: EmbeddedPostgres;
let stand: Stand;

beforeAll(async () => {
  openBy(async (...given) => {
    const file = await open(...given);
    return /spool/.test(String(given[0])) && /[wa]/.test(String(given[1])) ? limited(file) : file;
  });
  home = await openFolder();
  await layCluster(home);
  database = await startEmbedded({ dataDir: home, log: quietLog });
  stand = await startStand({
    settings: { DATABASE_URL: database.url, OPS_TOKEN: 'ops-token-of-the-test' },
  });
});
afterAll(async () => {
  openBy(open);
  await stand.stop();
  await database.stop();
  await rm(home, { recursive: true, force: true });
});

const contractsOf = (deal: number) =>
  stand.directum
    .all('IContracts')
    .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`)).length;

it('a disk that fills up while calls are spooled: no 200 for a call that is not there, and none of the others lost', async () => {
  const calls = await lostCalls(stand, 8, CODE, { subject: 'Полный диск' });
  const post = async (form: Record<string, string> | undefined) =>
    (
      await fetch(`${stand.url}/bitrix24/robots/${CODE}`, {
        method: 'POST',
        body: new URLSearchParams(form),
      })
    ).status;
  const state = async () => {
    const response = await fetch(`${stand.url}/readyz`);
    return { status: response.status, spool: ((await response.json()) as { spool: unknown }).spool };
  };

  await database.stop();
  const statuses = [await post(calls[0]?.form), await post(calls[1]?.form)];
  // The third goes half-way into the file.
  disk.room = 300;
  statuses.push(await post(calls[2]?.form), await post(calls[3]?.form));
  expect(await state()).toEqual({ status: 503, spool: { state: 'down', waiting: 2 } });
  const scraped = await fetch(`${stand.url}/metrics`, {
    headers: { Authorization: 'Bearer ops-token-of-the-test' },
  });
  expect(await scraped.text()).toContain(
    `directum_robots_calls_total{robot="${CODE}",result="unavailable"} 2`,
  );
  disk.room = Number.POSITIVE_INFINITY;
  statuses.push(await post(calls[4]?.form), await post(calls[5]?.form));
  expect(statuses).toEqual([200, 200, 503, 503, 200, 200]);
  expect(await state()).toEqual({ status: 200, spool: { state: 'ok', waiting: 4 } });

  database = await startEmbedded({ dataDir: home, log: quietLog });
  const counts = () => calls.map(({ deal }) => contractsOf(deal));
  await expect.poll(counts, { timeout: 40_000 }).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
  expect(stand.lines.join('')).toContain('spool.torn_line');
}, 90_000);
