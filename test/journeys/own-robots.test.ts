import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { robots } from '../../robots/index.ts';
import { freePort } from '../sandbox/package-settings.ts';
import { runProcess } from './command.ts';
import { startProcess } from './process.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const EXAMPLE = fileURLToPath(new URL('../fixtures/own-robots/', import.meta.url));
const HOOK = fileURLToPath(new URL('../../scripts/own-robots.ts', import.meta.url));
const CODE = 'acme_registration_date';
let stand: Stand;
let folder: string;

beforeAll(async () => {
  stand = await startStand();
  folder = await mkdtemp(join(tmpdir(), 'own-robots-'));
  await cp(EXAMPLE, folder, { recursive: true });
  await writeFile(join(folder, '_notes.ts'), 'throw new Error("not a robot");');
  await stand.pause();
}, 120_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await stand.stop();
});

/** Ours and the one of the folder. */
const declared = robots.length + 1;

it('a robot of a folder outside is registered and works; without its file its calls are answered with an error', async () => {
  const env = { ...stand.env, ROBOTS_DIR: folder };
  const service = await startProcess(env);
  const { deal } = addDeal(stand);
  try {
    const planned = () => runProcess('register', [], env).then(({ out }) => out);
    await expect.poll(planned, { timeout: 20_000 }).toContain(`= ${CODE}`);
    const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
    stand.directum.patch('IContracts', Number(made['document_id']), {
      RegistrationDate: '2026-03-02T00:00:00Z',
    });
    expect(await runStep(stand, deal, CODE, {})).toMatchObject({ ok: 'Y', registered: '2026-03-02' });
    expect((await runProcess('doctor', [], env)).out).toMatch(
      new RegExp(`роботы: как объявлено: ${declared}|robots: ${declared} as declared`),
    );
  } finally {
    await service.terminate();
  }

  const without = await startProcess(stand.env);
  try {
    expect(await runStep(stand, deal, CODE, {}, 90_000)).toMatchObject({
      ok: 'N',
      error_code: 'internal_error',
    });
    expect((await runProcess('doctor', [], stand.env)).out).toContain(CODE);
  } finally {
    await without.terminate();
  }
}, 240_000);

it('its own tests run in its folder', async () => {
  const args = ['--import', HOOK, '--test', join(folder, 'registration-date.test.ts')];
  const { code, out } = await new Promise<{ code: number; out: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (error, out) =>
      resolve({ code: error ? Number(error.code) : 0, out }),
    );
  });
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('pass 2') });
});

describe('a file that is no robot stops the start with its name', () => {
  const head =
    "import { defineRobot, SALES_ITEMS } from 'bitrix24-directum-robots';\nimport { z } from 'zod';\n";
  const robot = (code: string, inputs = 'z.object({})') =>
    `defineRobot({ code: '${code}', name: { ru: 'x', en: 'x' }, description: { ru: 'x', en: 'x' }, items: SALES_ITEMS, inputs: ${inputs}, outputs: z.object({}), run: async () => ({}) })`;

  it.each([
    ['cannot be loaded', 'export const = 1;', /cannot be loaded/],
    ['throws', "throw new Error('why');", /cannot be loaded: why/],
    ['has none', 'export const a = 1;', /exports 0 robots/],
    [
      'has two',
      `${head}export const a = ${robot('a')};\nexport const b = ${robot('b')};`,
      /exports 2 robots/,
    ],
    [
      'has a code of ours',
      `${head}export const a = ${robot('directum_create_contract')};`,
      /belongs to another/,
    ],
    ['has a code no portal takes', `${head}export const a = ${robot('a b')};`, /takes no code «a b»/],
    [
      'has a field of another make',
      `${head}export const a = ${robot('a', 'z.object({ x: z.string() })')};`,
      /its form cannot be made: field x/,
    ],
  ])('%s', async (_, text, why) => {
    const own = await mkdtemp(join(tmpdir(), 'own-robots-'));
    await mkdir(own, { recursive: true });
    await writeFile(join(own, 'broken.ts'), text);
    const env = { ...stand.env, ROBOTS_DIR: own, PORT: String(await freePort()), LANG: 'en_US.UTF-8' };
    const { code, err } = await runProcess('src/main.ts', [], env);
    await rm(own, { recursive: true });
    expect(code).toBe(1);
    expect(err).toContain('ROBOTS_DIR: broken.ts');
    expect(err).toMatch(why);
  });

  it('and a folder that is not there', async () => {
    const env = { ...stand.env, ROBOTS_DIR: join(folder, 'none'), LANG: 'en_US.UTF-8' };
    expect(await runProcess('src/main.ts', [], env)).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        `ROBOTS_DIR: the folder ${join(folder, 'none')} could not be read (ENOENT)`,
      ),
    });
  });
});
