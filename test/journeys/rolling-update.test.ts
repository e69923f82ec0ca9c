import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { type Stand, startStand } from './stand.ts';

let stand: Stand;
let older: pg.Client;
beforeAll(async () => {
  stand = await startStand({ install: false });
  older = new pg.Client({ connectionString: stand.databaseUrl ?? '', application_name: 'directum-robots' });
  await older.connect();
});
afterAll(async () => {
  await older.end();
  await stand.stop();
});

it('registers robots only once no process of an earlier release is connected, and then by itself', async () => {
  const registered = () =>
    stand.portal.journal.filter(({ method, error }) => method === 'bizproc.robot.add' && !error).length;
  await stand.portal.install(`${stand.url}/bitrix24/install`);
  expect(registered()).toBe(0);
  expect(stand.lines.join('')).toContain('registration.waits');
  const env = { ...stand.env, LANG: 'en_US.UTF-8' };
  expect(await runCommand('register', [], env)).toMatchObject({
    code: 2,
    err: expect.stringContaining('earlier version'),
  });
  const applied = await runCommand('register', ['--apply'], env);
  expect(applied.code).toBe(1);
  expect(applied.out + applied.err).toContain('earlier version');
  expect((await runCommand('doctor', [], env)).out).toMatch(/✗ versions: A process of an earlier version/);
  expect(registered()).toBe(0);
  await older.end();
  await expect.poll(registered, { timeout: 40_000 }).toBeGreaterThan(0);
}, 60_000);
