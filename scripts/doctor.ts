import { parseArgs } from 'node:util';
import { redact } from '../src/log.ts';
import { toLanguage } from '../src/rooms.ts';
import { checkDirectum, checkDocuments } from './doctor/directum.ts';
import { inspect, LIMIT_MS, notChecked, within } from './doctor/finding.ts';
import { checkPublicUrl, openAll } from './doctor/own.ts';
import { checkPortals } from './doctor/portals.ts';
import { checkProxies, readSettings, toHide } from './doctor/settings.ts';
import type { Shell } from './shell.ts';

const USAGE = 'usage: npm run doctor -- [--json]';

async function examine({ argv, env, stdout }: Shell): Promise<number> {
  const { values } = parseArgs({ args: argv.slice(2), options: { json: { type: 'boolean' } } });
  const { config, wrong, check: settings } = readSettings(env);
  const [opened, publicUrl, directum] = await Promise.all([
    openAll(config, wrong),
    wrong.includes('PUBLIC_URL') || wrong.includes('PORT') || wrong.includes('HOST')
      ? notChecked('public url', 'settings')
      : inspect('public url', () => checkPublicUrl(config)),
    checkDirectum(config, wrong),
  ]);
  const { rooms } = opened;
  const documents = rooms
    ? await inspect('directum documents', () => checkDocuments(rooms))
    : notChecked('directum documents', opened.blockedBy);
  const portals = await checkPortals(opened, config, wrong);
  const live = opened.rooms?.portals.installations.list() ?? [];
  const inRussian = live.some(
    ({ state, language }) => state !== 'uninstalled' && toLanguage(language) === 'ru',
  );
  const hide = toHide(config);
  const checks = [
    settings,
    ...checkProxies(config),
    ...opened.checks,
    publicUrl,
    ...portals,
    ...directum,
    documents,
  ].map(({ check, ok, text }) => ({
    check,
    ok,
    text: hide(inRussian && text.ru !== text.en ? `${text.en} / ${text.ru}` : text.en).replace(/\s+/g, ' '),
  }));
  const output = values.json
    ? `${JSON.stringify(checks, null, 2)}\n`
    : checks.map(({ check, ok, text }) => `${ok ? '✓' : '✗'} ${check}: ${text}\n`).join('');
  await new Promise<void>((resolve) => stdout.write(output, () => resolve()));
  await within(LIMIT_MS, opened.close()).catch(() => undefined);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

/** Tells whether this installation is healthy; answers the exit code. */
export async function doctor(shell: Shell): Promise<number> {
  try {
    return await examine(shell);
  } catch (error) {
    const usage = error instanceof TypeError && 'code' in error;
    shell.stderr.write(
      `${usage ? `${(error as Error).message}\n${USAGE}` : `doctor failed: ${String(redact((error as Error).message))}`}\n`,
    );
    return 1;
  }
}

// A call that hangs on the other side must not keep the command from ending.
if (import.meta.main) process.exit(await doctor(process));
