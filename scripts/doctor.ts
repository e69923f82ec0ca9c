import { defineCommand, type Order, obey } from '../src/command/command.ts';
import { type Config, ConfigError } from '../src/config.ts';
import { within } from '../src/lib/work/timeout.ts';
import { CHECKS } from './doctor/checks.ts';
import { checkDirectum, readKnown } from './doctor/directum.ts';
import { bad, inspect, LIMIT_MS, type Line, notChecked } from './doctor/finding.ts';
import { type Opened, openAll } from './doctor/own.ts';
import { checkPortals } from './doctor/portals.ts';
import { settings, toHide } from './doctor/settings.ts';

const OPTIONS = {
  json: {
    about: {
      en: 'prints a JSON list of { check, ok, text }',
      ru: 'печатает список JSON из { check, ok, text }',
    },
  },
} as const;

/** Tells whether this installation is healthy. */
export const doctor = defineCommand(
  {
    call: 'npm run doctor',
    about: {
      en: 'Is this installation healthy? One line a check: ✓ well, ✗ what is wrong and what to do. It changes nothing and asks only the addresses of the settings.',
      ru: 'Здорова ли эта установка? По строке на проверку: ✓ хорошо, ✗ что не так и что делать. Ничего не меняет и обращается только к адресам из настроек.',
    },
    forms: ['[--json]'],
    options: OPTIONS,
    notes: {
      en: 'Exit code: 0 when everything is well, 1 when something is not.',
      ru: 'Код выхода: 0 — всё хорошо, 1 — что-то не так.',
    },
  },
  async (order) => {
    const config = readSettings(order);
    const of = { config, env: order.shell.env };
    const all = <T>(checks: Parameters<typeof inspect<T>>[0][], what: T) =>
      Promise.all(checks.map((one) => inspect(one, what, config)));
    const own = await all(CHECKS.settings, of);
    const opened = await openAll(config, CHECKS.store);
    const known = readKnown(opened.modules?.store ?? null);
    const lines = [
      own,
      opened.lines,
      ...(await Promise.all([
        all(CHECKS.outside, of),
        checkPortals(opened, config, CHECKS.portal),
        known.then((seen) => checkDirectum(config, seen, CHECKS.directum)),
        checkModules(opened, config),
      ])),
    ].flat();
    await show(lines, order, toHide(config));
    await within(LIMIT_MS, opened.close()).catch(() => undefined);
    return lines.every(({ ok }) => ok) ? 0 : 1;
  },
);

function checkModules({ modules, blockedBy }: Opened, config: Config): Promise<Line[]> {
  return Promise.all(
    CHECKS.modules.map((one) => (modules ? inspect(one, modules, config) : notChecked(one, blockedBy))),
  );
}

/** The settings, which stop this like every other command; a program gets its list all the same. */
function readSettings(order: Order<typeof OPTIONS>): Config {
  try {
    return order.config();
  } catch (error) {
    if (error instanceof ConfigError) {
      const names = error.problems.map(({ name }) => name).join(', ');
      const { check, ru } = settings;
      const finding = bad(
        `Mend ${names}: nothing else was checked.`,
        `Исправьте ${names}: остальное не проверялось.`,
      );
      void show([{ check, title: { en: check, ru }, ...finding }], order, String);
    }
    throw error;
  }
}

function show(
  lines: Line[],
  { shell, values, say }: Order<typeof OPTIONS>,
  hide: (text: string) => string,
): Promise<void> {
  const told = lines.map(({ check, title, ok, text }) => ({
    check,
    title: say(title),
    ok,
    text: hide(say(text)).replace(/\s+/g, ' '),
  }));
  const output = values.json
    ? `${JSON.stringify(
        told.map(({ check, ok, text }) => ({ check, ok, text })),
        null,
        2,
      )}\n`
    : told.map(({ title, ok, text }) => `${ok ? '✓' : '✗'} ${title}: ${text}\n`).join('');
  // A process that is about to end must not cut it off.
  return new Promise((resolve) => void shell.stdout.write(output, resolve));
}

// A call that hangs on the other side must not keep the command from ending.
if (import.meta.main) process.exit(await obey(doctor, process));
