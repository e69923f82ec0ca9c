import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, runOnTerminal, runProcess } from './command.ts';
import { type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ install: false });
});
afterAll(() => stand.stop());

/** The command beside the living service. */
async function register(...args: string[]): Promise<{ code: number; output: string }> {
  const { code, out, err } = await runCommand('register', args, stand.env);
  return { code, output: out + err };
}

it('says what would change, changes it on order, and tells by its exit code', async () => {
  expect(await register()).toMatchObject({ code: 1, output: expect.stringContaining('no installation') });

  await stand.portal.install(`${stand.url}/bitrix24/install`);
  const before = stand.portal.journal.length;
  expect(await register()).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^= directum_create_contract$/m),
  });
  expect(stand.portal.journal.slice(before).filter((entry) => !entry.viaBatch).length).toBe(1);

  stand.portal.world.robots.delete('directum_create_contract');
  expect(await register()).toMatchObject({
    code: 2,
    output: expect.stringContaining('+ directum_create_contract'),
  });
  expect(await runProcess('register', ['--apply'], stand.env)).toMatchObject({ code: 0 });
  expect(stand.portal.world.robots.has('directum_create_contract')).toBe(true);
  expect(await register('--force')).toMatchObject({
    code: 2,
    output: expect.stringContaining('~ directum_create_contract'),
  });

  // Triggers and fields have their lines too; what the administrator made himself stays until ordered otherwise.
  const { triggers } = stand.portal.world;
  triggers.delete('directum_due');
  triggers.set('old_trigger', 'Old');
  stand.portal.world.userFields = stand.portal.world.userFields.slice(1);
  const plan = await register();
  expect(plan.code).toBe(2);
  for (const line of [
    '+ directum_due',
    '- old_trigger (kept',
    '+ UF_CRM_DIRECTUM_STATUS',
    '= UF_CRM_DIRECTUM_ID',
  ])
    expect(plan.output).toContain(line);
  expect(await register('--apply', '--remove')).toMatchObject({ code: 0 });
  expect([...triggers.keys()]).toContain('directum_due');
  expect([...triggers.keys()]).not.toContain('old_trigger');
  expect(stand.portal.world.userFields).toHaveLength(5);
  stand.portal.misbehave.missingMethods.add('crm.automation.trigger.list');
  expect(await register()).toMatchObject({
    code: 0,
    output: expect.stringContaining('Triggers of Directum'),
  });
  stand.portal.misbehave.missingMethods.clear();

  const { host } = new URL(stand.portal.url);
  expect(await runOnTerminal('register', [], stand.env)).toMatchObject({
    code: 0,
    err: expect.stringContaining(`portal 1 of 1: ${host} …`),
  });
  expect(await runCommand('register', [], { ...stand.env, LANG: 'ru_RU' })).toMatchObject({
    code: 0,
    err: '',
  });
  expect(await register('--portal', host.toUpperCase())).toMatchObject({ code: 0 });
  expect(await register('--portal', host.replace(/:.*/, ''))).toMatchObject({ code: 1 });
  expect(await register('--portal', 'other.example')).toMatchObject({ code: 1 });
  expect(await register('--what')).toMatchObject({ code: 1, output: expect.stringContaining('usage') });
  const ended = await runProcess('register', ['--what'], stand.env);
  expect(ended).toMatchObject({ code: 1, out: '', err: expect.stringContaining('usage') });
}, 180_000);
