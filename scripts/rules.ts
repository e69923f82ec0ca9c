import { readFile } from 'node:fs/promises';
import { defineCommand, Misuse, type Order, obey, Refusal } from '../src/command/command.ts';
import type { Config } from '../src/config.ts';
import { writeWhole } from '../src/lib/durable-files.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import { openPortalRules, type PortalRules } from '../src/portal-rules.ts';
import { type RuleProblem, type RuleTable, robotsOf, tellProblem } from '../src/rules/tables/tables.ts';
import { parseTables, writeTables } from '../src/rules/tables/yaml.ts';
import { changedRows } from '../src/store/rules/rule-tables.ts';
import { onePortal } from './portal-option.ts';
import { explainPortal } from './portal-words.ts';
import { printTable } from './runs/print.ts';

/** Exit codes that an operator's script can use (interface.md §4). */
const DONE = 0;
const FAILED = 1;
const PENDING = 2;

const OPTIONS = {
  apply: {
    about: { en: 'with import: does what it shows', ru: 'с import: выполняет показанное' },
  },
  portal: {
    value: 'HOST[:PORT]',
    about: { en: 'the portal, where several are installed', ru: 'портал, если их несколько' },
  },
} as const;
type Given = Order<typeof OPTIONS>;

const ASKING = { en: 'asking the portal and Directum …', ru: 'спрашиваю портал и Directum …' };

async function list({ print, say }: Given, rules: PortalRules): Promise<number> {
  const tables = await rules.list();
  if (tables.length === 0) {
    print(say({ en: 'no tables', ru: 'таблиц нет' }));
    return DONE;
  }
  printTable(
    print,
    say({ en: 'TABLE,ROWS,ROBOTS', ru: 'ТАБЛИЦА,СТРОК,РОБОТЫ' }).split(','),
    tables.map(({ name, rows }) => [
      name,
      String(rows.length),
      [...new Set(rows.flatMap(robotsOf))].join(', '),
    ]),
  );
  return DONE;
}

async function exportTo(given: Given, rules: PortalRules): Promise<number> {
  const path = given.words[1] ?? '';
  const tables = await rules.list();
  await writeWhole(path, (file) => file.writeFile(writeTables(tables)));
  given.print(given.say({ en: `${path}: ${tables.length} tables`, ru: `${path}: таблиц ${tables.length}` }));
  return DONE;
}

/** One line a table of the file: what would become of it. */
interface Planned {
  table: RuleTable;
  mark: '+' | '~' | '=';
  /** Numbers of the rows that are new or different. */
  changed: number[];
}

function plan(known: readonly RuleTable[], given: readonly RuleTable[]): Planned[] {
  return given.map((table) => {
    const before = known.find(({ name }) => name.toLowerCase() === table.name.toLowerCase());
    const changed = changedRows(before?.rows ?? [], table.rows);
    if (before === undefined) return { table, mark: '+', changed };
    const isSame =
      changed.length === 0 && before.rows.length === table.rows.length && before.name === table.name;
    return { table, mark: isSame ? '=' : '~', changed };
  });
}

async function importFrom(given: Given, rules: PortalRules): Promise<number> {
  const { words, values, print, say } = given;
  const { tables, problems } = parseTables(await readText(words[1] ?? ''));
  if (problems.length > 0) return complain(given, problems);
  const planned = plan(await rules.list(), tables);
  const changes = planned.filter(({ mark }) => mark !== '=').map(({ table }) => table);
  given.progress(ASKING);
  const wrong = await rules.check(changes);
  if (wrong.length > 0) return complain(given, wrong);
  for (const { table, mark, changed } of planned) {
    const rows = say({ en: `rows ${changed.join(', ')}`, ru: `строки ${changed.join(', ')}` });
    const total = say({ en: `${table.rows.length} rows`, ru: `строк: ${table.rows.length}` });
    const of = mark === '~' && changed.length > 0 ? `${total}; ${rows}` : total;
    print(`${mark} ${table.name} (${of})`);
  }
  if (changes.length === 0) {
    print(say({ en: 'nothing to do', ru: 'делать нечего' }));
    return DONE;
  }
  if (!values.apply) {
    print(say({ en: 'nothing is changed without --apply', ru: 'без --apply ничего не меняется' }));
    return PENDING;
  }
  await rules.save(changes, 'operator');
  print(say({ en: 'imported', ru: 'загружено' }));
  return DONE;
}

/** @throws Refusal for a file that is not UTF-8, as editors of Windows may write it */
async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal({
      en: `${path}: it is not UTF-8; save it in this encoding`,
      ru: `${path}: файл не в UTF-8; сохраните его в этой кодировке`,
    });
  }
}

async function remove({ words, print, say }: Given, rules: PortalRules): Promise<number> {
  const name = words[1] ?? '';
  if (!(await rules.remove(name, 'operator')))
    throw new Refusal({
      en: `no table «${name}»; npm run rules -- list shows those there are`,
      ru: `таблицы «${name}» нет; какие есть, показывает npm run rules -- list`,
    });
  print(say({ en: `table «${name}» is removed`, ru: `таблица «${name}» удалена` }));
  return DONE;
}

async function check(given: Given, rules: PortalRules): Promise<number> {
  const tables = await rules.list();
  given.progress(ASKING);
  const problems = await rules.check(tables);
  if (problems.length > 0) return complain(given, problems);
  for (const { name, rows } of tables)
    given.print(`✓ ${name} (${given.say({ en: `${rows.length} rows`, ru: `строк: ${rows.length}` })})`);
  if (tables.length === 0) given.print(given.say({ en: 'no tables', ru: 'таблиц нет' }));
  return DONE;
}

function complain({ warn, say }: Given, problems: readonly RuleProblem[]): number {
  for (const problem of problems) warn(say(tellProblem(problem)));
  return FAILED;
}

/** What each form does, and what it needs besides its name. */
const FORMS = new Map<
  string,
  { work: (given: Given, rules: PortalRules) => Promise<number>; needs?: string }
>([
  ['list', { work: list }],
  ['export', { work: exportTo, needs: 'FILE' }],
  ['import', { work: importFrom, needs: 'FILE' }],
  ['remove', { work: remove, needs: 'TABLE' }],
  ['check', { work: check }],
]);

function readForm({ words: [word = '', name], values }: Given) {
  const form = FORMS.get(word);
  if (form === undefined)
    throw new Misuse({
      en: 'list, export, import, remove or check is expected',
      ru: 'нужно list, export, import, remove или check',
    });
  if (form.needs !== undefined && name === undefined)
    throw new Misuse({ en: `${word}: ${form.needs} is missing`, ru: `${word}: не указан ${form.needs}` });
  if (form.needs === undefined && name !== undefined)
    throw new Misuse({ en: `unexpected argument: ${name}`, ru: `лишний аргумент: ${name}` });
  if (values.apply && word !== 'import')
    throw new Misuse({ en: '--apply: only with import', ru: '--apply: только с import' });
  return form;
}

async function fulfil(given: Given, config: Config): Promise<number> {
  const { work } = readForm(given);
  const log = createLog('error', (line) => given.shell.stderr.write(line));
  const modules = await openModules(config, { log, now: () => new Date(), onlyOpen: true, asksAnew: true });
  try {
    const installation = onePortal(modules.portals.installations.list(), given.values.portal);
    return await work(given, openPortalRules({ config, modules, log }, installation));
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(explainPortal(error, config));
  } finally {
    await modules.close();
  }
}

/** Shows, checks and changes the decision tables of a portal. */
export const rules = defineCommand(
  {
    call: 'npm run rules',
    about: {
      en: 'Shows, checks and changes the decision tables of a portal, which fill the inputs that robots leave empty.',
      ru: 'Показывает, проверяет и меняет таблицы решений портала: они заполняют поля, которые в роботах оставлены пустыми.',
    },
    forms: ['list', 'export FILE', 'import FILE [--apply]', 'remove TABLE', 'check'].map(
      (form) => `${form} [--portal HOST[:PORT]]`,
    ),
    words: 2,
    options: OPTIONS,
    notes: {
      en: 'FILE is YAML. `import` checks every changed table against the portal and Directum and shows what would change; tables that the file does not name stay. `check` looks at all tables as they are kept.\nExit code: 0 done or nothing to do, 2 changes are pending, 1 a problem, and then nothing is changed.',
      ru: 'FILE — YAML. `import` сверяет изменённые таблицы с порталом и Directum и показывает, что изменится; таблицы, которых в файле нет, остаются. `check` проверяет все сохранённые таблицы.\nКод выхода: 0 — сделано или делать нечего, 2 — есть изменения, 1 — ошибка, тогда ничего не меняется.',
    },
  },
  async (given) => {
    readForm(given);
    return fulfil(given, given.config());
  },
);

if (import.meta.main) process.exitCode = await obey(rules, process);
