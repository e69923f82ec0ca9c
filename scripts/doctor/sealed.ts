import type { Pool } from 'pg';
import { tell } from '../../src/command/trouble.ts';
import type { Config } from '../../src/config.ts';
import type { LocalText } from '../../src/robot/failure.ts';
import type { Content } from '../../src/store/secrets/content-seal.ts';
import { loadSecretKeys, SecretError, type SecretKeys } from '../../src/store/secrets/secrets.ts';
import { bad, type Check, type Finding, good } from './finding.ts';
import type { OfStore } from './own.ts';

interface Sealed {
  name: LocalText;
  column: string;
  from: string;
  context?: string;
}

/** A column of sealed content, which holds an object where an earlier version wrote it. */
const contentOf = (name: LocalText, table: string, column: string, context: Content): Sealed => ({
  ...{ name, context, column: `${column} #>> '{}'` },
  from: `${table} WHERE jsonb_typeof(${column}) = 'string'`,
});

const SNAPSHOTS: LocalText = {
  en: 'snapshots of documents, read anew from Directum',
  ru: 'снимки документов, читаются из Directum заново',
};
const SHOWN: LocalText = {
  en: 'what items show, written anew',
  ru: 'показанное в элементах, пишется заново',
};
const TEXTS: LocalText = {
  en: 'texts and outputs of runs, left out',
  ru: 'тексты и результаты запусков, опускаются',
};

/** What is kept sealed and still needed, with the context that it is sealed for. */
const NEEDED: Sealed[] = [
  {
    name: { en: 'installations', ru: 'установки' },
    column: 'value',
    from: `keyv WHERE starts_with(key, 'installation:')`,
    context: 'installation',
  },
  {
    name: { en: 'open runs', ru: 'незавершённые запуски' },
    column: 'call',
    from: `run WHERE state <> 'ended'`,
  },
  {
    name: { en: 'calls that are no runs yet', ru: 'вызовы, ещё не ставшие запусками' },
    column: 'calls',
    from: 'former_crowd',
    context: 'crowd',
  },
  {
    name: { en: 'answers to be sent', ru: 'неотправленные ответы' },
    column: 'payload',
    from: `outbox WHERE state = 'due' AND kind = 'answer'`,
  },
  {
    name: { en: 'notices to be sent', ru: 'неотправленные уведомления' },
    column: 'payload',
    from: `outbox WHERE state = 'due' AND kind <> 'answer' AND payload IS NOT NULL`,
  },
  {
    name: { en: 'tasks to be written', ru: 'незаписанные задачи' },
    column: 'wanted',
    from: `mirrored_task AS m WHERE EXISTS (SELECT FROM outbox
      WHERE outbox.portal = m.portal AND kind = 'task' AND dedupe_key = assignment_id::text AND state = 'due')`,
  },
  {
    name: { en: 'decision tables', ru: 'таблицы решений' },
    column: 'rows',
    from: 'rule_table',
    context: 'rules',
  },
];

/** What the service does without when it cannot be opened. */
const CONTENT: Sealed[] = [
  contentOf(SNAPSHOTS, 'document', 'observed', 'document.observed'),
  contentOf(SNAPSHOTS, 'document', 'dates', 'document.dates'),
  contentOf(SNAPSHOTS, 'assignment', 'seen', 'assignment.seen'),
  contentOf(SNAPSHOTS, 'wait', 'facts', 'wait.facts'),
  contentOf(SHOWN, 'watched_document', 'shown', 'watched_document.shown'),
  contentOf(SHOWN, 'document_slot', 'shown', 'document_slot.shown'),
  contentOf(TEXTS, 'run', 'last_text', 'run.text'),
  contentOf(TEXTS, 'run', 'outcome', 'run.outcome'),
  contentOf(TEXTS, 'run_attempt', 'text', 'run.text'),
  contentOf(TEXTS, 'failure', 'text', 'run.text'),
];

/** @throws what loadSecretKeys does; nothing is made */
export const openKeys = (config: Config): Promise<SecretKeys> =>
  loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR, onlyOpen: true });

export const keys: Check<OfStore> = {
  check: 'keys',
  ru: 'ключи',
  async find({ store, config }) {
    try {
      return found(
        await trySealed(store.pool, await openKeys(config), NEEDED),
        'Give the earlier keys in SECRET_KEYS or restore DATA_DIR/keys.',
        'Верните прежние ключи в SECRET_KEYS или файл DATA_DIR/keys.',
      );
    } catch (error) {
      const { en, ru } = tell(error, config);
      return error instanceof SecretError
        ? bad(
            `The keys cannot be read: ${en}. Correct SECRET_KEYS or restore DATA_DIR/keys.`,
            `Ключи не читаются: ${ru}. Исправьте SECRET_KEYS или восстановите файл DATA_DIR/keys.`,
          )
        : bad(en, ru);
    }
  },
};

/** Whether the service can still read what it remembers of documents and runs. */
export const content: Check<OfStore> = {
  check: 'content',
  ru: 'содержимое',
  find: async ({ store, config }) =>
    found(
      await trySealed(store.pool, await openKeys(config), CONTENT),
      'The service does without; it comes back with the earlier keys in SECRET_KEYS or DATA_DIR/keys.',
      'Сервис обходится без них; вернуть их можно, указав прежние ключи в SECRET_KEYS или DATA_DIR/keys.',
    ),
};

interface Tried {
  count: number;
  closed: { name: LocalText; count: number; reason: LocalText }[];
}

function found({ count, closed }: Tried, todoEn: string, todoRu: string): Finding {
  if (closed.length === 0)
    return good(`${count} sealed values open`, `зашифрованных значений прочитано: ${count}`);
  const reasons = [...new Map(closed.map(({ reason }) => [reason.en, reason])).values()];
  const list = (language: 'en' | 'ru') =>
    `${reasons.map((reason) => reason[language]).join('; ')} (${closed.map((one) => `${one.name[language]}: ${one.count}`).join(', ')})`;
  return bad(
    `Stored values cannot be opened: ${list('en')}. ${todoEn}`,
    `Сохранённые значения не открываются: ${list('ru')}. ${todoRu}`,
  );
}

/** Tries one value of each kind and key. Answers how many there are, and what cannot be opened and why. */
async function trySealed(pool: Pool, opening: SecretKeys, kinds: readonly Sealed[]): Promise<Tried> {
  let total = 0;
  const closed: Tried['closed'] = [];
  for (const { name, column, from, context } of kinds) {
    const { rows } = await pool.query<{ value: string; count: number }>(
      `SELECT min(value) AS value, count(*)::int AS count
       FROM (SELECT ${column} AS value FROM ${from}) AS kept GROUP BY split_part(value, '.', 2)`,
    );
    for (const { value, count } of rows) {
      total += count;
      try {
        opening.decrypt(value, context);
      } catch (error) {
        const reason = reasonOf(error);
        const alike = closed.find((one) => one.name === name && one.reason.en === reason.en);
        if (alike) alike.count += count;
        else closed.push({ name, count, reason });
      }
    }
  }
  return { count: total, closed };
}

const reasonOf = (error: unknown): LocalText =>
  error instanceof SecretError ? error.text : { en: (error as Error).message, ru: (error as Error).message };
