import { defineCommand, Misuse, type Order, obey, Refusal } from '../src/command/command.ts';
import { parseMoment, toMoment } from '../src/command/moment.ts';
import { writeWhole } from '../src/lib/durable-files.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import type { LocalText } from '../src/robot/failure.ts';
import type { Broken } from '../src/store/journal/chain.ts';
import { createJournalReader, type JournalFilter, type ReadLine } from '../src/store/journal/read-journal.ts';
import { readItem } from './item-option.ts';

const OPTIONS = {
  from: {
    value: 'TIME',
    about: { en: 'with list: lines from then on', ru: 'с list: строки начиная с этого времени' },
  },
  to: { value: 'TIME', about: { en: 'with list: lines before then', ru: 'с list: строки до этого времени' } },
  item: {
    value: 'DEAL_915',
    about: { en: 'with list: lines of this item', ru: 'с list: строки этого элемента' },
  },
  actor: {
    value: 'TEXT',
    about: {
      en: 'with list: lines of whose actor this is a part',
      ru: 'с list: строки, в чьём авторе есть этот текст',
    },
  },
  expect: {
    value: 'HASH',
    about: {
      en: 'with verify: a hash that was printed before and must still stand in the chain',
      ru: 'с verify: напечатанный раньше хеш, который обязан остаться в цепочке',
    },
  },
} as const;
type Given = Order<typeof OPTIONS>;
type Journal = ReturnType<typeof createJournalReader>;

const DAY_MS = 86_400_000;
const ALL: JournalFilter = { from: null, to: null, itemCode: null, actor: null };

function readFilter({ values }: Given, timeZone: string): JournalFilter {
  const read = (name: 'from' | 'to') => {
    const text = values[name];
    if (text === undefined) return null;
    const moment = parseMoment(text, timeZone);
    if (moment !== null) return moment;
    throw new Refusal({
      en: `--${name}: a day or a time such as 2026-03-02T10:00 is expected`,
      ru: `--${name}: нужен день или время вида 2026-03-02T10:00`,
    });
  };
  const to = read('to');
  // A day is meant as a whole.
  const isDay = values.to !== undefined && /^\d{4}-\d\d-\d\d$/.test(values.to.trim());
  return {
    from: read('from'),
    to: to !== null && isDay ? new Date(to.getTime() + DAY_MS) : to,
    itemCode: values.item === undefined ? null : readItem(values.item),
    actor: values.actor ?? null,
  };
}

async function list(given: Given, journal: Journal, timeZone: string): Promise<number> {
  const people = await journal.people();
  let shown = 0;
  for await (const line of journal.lines(readFilter(given, timeZone))) {
    given.print(toText(line, people, timeZone));
    shown += 1;
  }
  if (shown === 0) given.print(given.say({ en: 'no lines', ru: 'строк нет' }));
  return 0;
}

/** A line for people: names stand where the journal holds keys of persons. */
function toText(line: ReadLine, people: Map<string, string>, timeZone: string): string {
  const { at, type, itemCode, documentId, actor, data } = line;
  const told = Object.entries(data).map(([name, value]) => {
    const text = typeof value === 'string' ? (people.get(value) ?? value) : JSON.stringify(value);
    return `${name}=${text}`;
  });
  const about = [itemCode, documentId === null ? null : `#${documentId}`].filter((one) => one !== null);
  return [toMoment(at, timeZone), type, ...about, `[${actor}]`, ...told].join('  ');
}

async function exportTo(given: Given, journal: Journal): Promise<number> {
  const path = given.words[1];
  if (path === undefined)
    throw new Misuse({ en: 'FILE is missing: where to write to', ru: 'не указан FILE: куда записать' });
  const people = await journal.people();
  let count = 0;
  await writeWhole(path, async (file) => {
    for await (const line of journal.lines(ALL)) {
      const names = Object.values(line.data).flatMap((value) => {
        const name = typeof value === 'string' ? people.get(value) : undefined;
        return name === undefined ? [] : [[value, name] as const];
      });
      const named = names.length > 0 && { people: Object.fromEntries(names) };
      await file.writeFile(`${JSON.stringify({ ...line, ...named })}\n`);
      count += 1;
    }
  });
  given.print(given.say({ en: `${path}: ${count} lines`, ru: `${path}: строк ${count}` }));
  return 0;
}

const WHY: Record<Broken['why'], LocalText> = {
  missing: { en: 'it is not there', ru: 'её нет' },
  changed: { en: 'it is not as it was sealed', ru: 'она не такая, какой была опечатана' },
  key_missing: {
    en: 'its key is not in SECRET_KEYS, so it cannot be checked',
    ru: 'её ключа нет в SECRET_KEYS, поэтому её не проверить',
  },
};

async function verify(given: Given, journal: Journal): Promise<number> {
  const { end, broken, isThere } = await journal.verify(given.values.expect?.trim().toLowerCase() ?? null);
  if (broken !== null)
    throw new Refusal({
      en: `the journal is broken at line ${broken.sealNo}: ${WHY[broken.why].en}; up to line ${end.sealNo} it holds`,
      ru: `журнал нарушен в строке ${broken.sealNo}: ${WHY[broken.why].ru}; до строки ${end.sealNo} он цел`,
    });
  given.print(
    given.say({
      en: `whole up to line ${end.sealNo}, hash ${end.hash || '—'}`,
      ru: `цел до строки ${end.sealNo}, хеш ${end.hash || '—'}`,
    }),
  );
  if (isThere) return 0;
  throw new Refusal({
    en: '--expect: no line has this hash any more: the end of the journal was cut off, or it is another journal',
    ru: '--expect: строки с таким хешем больше нет: конец журнала отрезан, или это другой журнал',
  });
}

const WORK = new Map<string, (given: Given, journal: Journal, timeZone: string) => Promise<number>>([
  ['list', list],
  ['export', exportTo],
  ['verify', verify],
]);

/** Shows the journal, writes it to a file, and checks that nobody has changed it. */
export const journal = defineCommand(
  {
    call: 'npm run journal',
    about: {
      en: 'Shows the journal, writes it to a file, and checks that no line of it was changed, taken out or put in.',
      ru: 'Показывает журнал, записывает его в файл и проверяет, что ни одна строка не изменена, не убрана и не вставлена.',
    },
    forms: [
      'list [--from TIME] [--to TIME] [--item DEAL_915] [--actor TEXT]',
      'export FILE',
      'verify [--expect HASH]',
    ],
    words: 2,
    options: OPTIONS,
    notes: {
      en: 'Times are of the setting TIME_ZONE. Keep the number and hash that verify prints elsewhere: --expect shows later that the end was not cut off.\nExit code: 0 done and whole, 1 not.',
      ru: 'Время — в зоне из настройки TIME_ZONE. Сохраняйте номер и хеш, которые печатает verify, в другом месте: --expect покажет, что конец журнала не отрезан.\nКод выхода: 0 — сделано и цело, 1 — нет.',
    },
  },
  async (given) => {
    const [word = '', file] = given.words;
    const work = WORK.get(word);
    if (work === undefined || (word !== 'export' && file !== undefined))
      throw new Misuse({ en: 'list, export or verify is expected', ru: 'нужно list, export или verify' });
    readFilter(given, 'UTC');
    const config = given.config();
    const log = createLog('error', (line) => given.shell.stderr.write(line));
    const modules = await openModules(config, { log, now: () => new Date(), onlyOpen: true });
    try {
      return await work(given, createJournalReader(modules.store.pool, modules.keys), config.TIME_ZONE);
    } finally {
      await modules.close();
    }
  },
);

if (import.meta.main) process.exitCode = await obey(journal, process);
