import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type HostileDatabase, startHostileDatabase } from '../store/hostile-database.ts';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
let database: HostileDatabase;
let other: HostileDatabase;
let stand: Stand;
let home: string;
beforeAll(async () => {
  [database, other] = await Promise.all([startHostileDatabase(), startHostileDatabase()]);
  home = await mkdtemp(join(tmpdir(), 'hostile-'));
  stand = await startStand({
    settings: { DATABASE_URL: database.url, DIRECTUM_POLL_SECONDS: '1', OPS_TOKEN: 'ops-token-of-the-test' },
    rescanMs: 2_000,
  });
});
afterAll(async () => {
  await stand?.stop();
  await Promise.all([database.stop(), other.stop()]);
  await rm(home, { recursive: true, force: true });
});

it('with PostgreSQL as others configure it all goes on: contract, wait, what deals show, backup and restore', async () => {
  const [deal, waiting] = [addDeal(stand).deal, addDeal(stand).deal];
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  expect(made).toMatchObject({ ok: 'Y' });
  const watched = await runStep(stand, waiting, CREATE, { subject: 'Ждёт' });
  stand.portal.placeRobot('C1:W', WAIT, {});
  const workflow = await stand.portal.moveItem(2, waiting, 'C1:W');
  await expect.poll(() => stand.lines.some((line) => line.includes('run.waiting'))).toBe(true);
  const metrics = await fetch(`${stand.url}/metrics`, {
    headers: { authorization: 'Bearer ops-token-of-the-test' },
  }).then((response) => response.text());
  expect(metrics).toMatch(/^directum_robots_waits 1$/m);
  expect((await runCommand('reconcile', [], stand.env)).code).toBe(0);

  const file = join(home, 'robots.backup');
  const env = { ...stand.env, BACKUP_PASSPHRASE: 'correct horse battery staple' };
  expect(await runCommand('backup', [file], env)).toMatchObject({ code: 0, err: '' });
  await stand.pause();
  Object.assign(stand.env, { DATABASE_URL: other.url });
  expect(await runCommand('restore', [file], { ...env, DATABASE_URL: other.url })).toMatchObject({
    code: 0,
    err: '',
  });
  await stand.restart();
  stand.directum.sign(Number(watched['document_id']));
  expect((await stand.portal.waitForStep(workflow, WAIT, 15_000)).outputs).toMatchObject({
    ok: 'Y',
    result: 'signed',
  });
  await expect
    .poll(() => JSON.stringify(stand.portal.activities(2, waiting).map(({ layout }) => layout)))
    .toContain('Подписан нами');
  const troubles = stand.lines.filter((line) =>
    /connection_lost|loop\.failed|internal_error|5\d[PR]\d\d/.test(line),
  );
  expect(troubles).toEqual([]);
  expect(await runStep(stand, deal, CREATE, { subject: 'Поставка' })).toMatchObject({
    ok: 'Y',
    document_id: made['document_id'],
    created: 'N',
  });
}, 120_000);
