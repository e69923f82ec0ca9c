import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createDocument } from '../robots/create-document.ts';
import { robots } from '../robots/index.ts';
import { TRIGGER_NAMES } from '../src/bitrix24/deal/triggers.ts';
import { defineCommand, obey } from '../src/command/command.ts';
import { settings } from '../src/config.ts';
import { STATUS_WORDS } from '../src/documents/facts/status-words.ts';
import type { ContractTrigger, TriggerCode } from '../src/documents/ports/facts.ts';
import { commonOutputs, type ReadField, readField } from '../src/robot/descriptor.ts';
import type { Language, LocalText } from '../src/robot/failure.ts';
import type { AnyRobot } from '../src/robot/robot.ts';

/** Files with generated parts, and the language of their robot tables. */
const FILES: Record<string, Language> = {
  'README.md': 'en',
  'docs/admin-guide.en.md': 'en',
  'docs/admin-guide.ru.md': 'ru',
};

/** What each setting is for. A setting without a line here, or a line without a setting, is an error. */
const MEANINGS: Record<string, string> = {
  PORT: 'Port the service listens on.',
  HOST: 'Address the service listens on.',
  PUBLIC_URL:
    'Address under which Bitrix24 reaches the service, without a path: `https://directum.example`. The host needs a dot.',
  DATABASE_URL:
    'PostgreSQL of the installation, `postgresql://user:password@host/database`. Absent: the service runs its own PostgreSQL in `DATA_DIR`.',
  DATA_DIR: 'Folder of the embedded database and of the generated encryption key.',
  BITRIX24_CLIENT_ID: 'Application code (`client_id`) of the local application.',
  BITRIX24_CLIENT_SECRET: 'Application key (`client_secret`) of the local application.',
  BITRIX24_PORTALS:
    'Portals that may install, comma-separated: `https://acme.bitrix24.ru`. Plain `http` works only when written here.',
  BITRIX24_OAUTH_SERVERS: 'Servers to which a token may be sent for refresh, comma-separated.',
  BITRIX24_RATE: 'REST calls per second / bucket of the portal’s plan. Enterprise: `5/250`.',
  BITRIX24_ANSWER_BATCH: 'Answers sent to the portal in one REST batch, 1 to 50.',
  DIRECTUM_URL: 'OData root: `https://rx.example/Integration/odata/`, with or without the last slash.',
  DIRECTUM_WEB_URL: 'Web client, for links to cards. Absent: the host of `DIRECTUM_URL` with `/Client`.',
  DIRECTUM_LOGIN: 'Login of the service account.',
  DIRECTUM_PASSWORD: 'Password of the service account.',
  DIRECTUM_AUTH: '`basic`, or `token`: a token is asked for once and renewed before it expires.',
  DIRECTUM_CA_FILE: 'PEM file with the certificate of a private certificate authority.',
  DIRECTUM_POLL_SECONDS: 'How often changes of waited-for documents are asked for.',
  DIRECTUM_CONCURRENCY:
    'Runs at work in Directum at a time, in all processes together; 8 more are kept for waits whose time is over. The same number in every process.',
  DIRECTUM_CONTRACT_KIND: 'Document kind used when the robot’s field is empty: id or exact name.',
  DIRECTUM_BUSINESS_UNIT:
    'Own company used when neither the robot nor the deal names one: id, exact name or TIN.',
  DIRECTUM_RESPONSIBLE:
    'Employee used when the deal’s responsible person has none in Directum: id, e-mail or exact name.',
  DIRECTUM_DUE_DAYS:
    'Days before a date of a contract at which it is near: the trigger `directum_due` fires and the responsible person is told.',
  DIRECTUM_TASKS:
    '`on`: assignments of portal users become their tasks. `off`: no task is begun; those begun before are still closed with their assignment.',
  TIME_ZONE: 'Zone of dates that come without an offset, and of texts for people.',
  RUN_MAX_HOURS: 'How long a robot keeps retrying before it answers with its last cause.',
  WAIT_MAX_HOURS: 'Longest wait of a waiting robot whose own limit is empty.',
  KEEP_RUNS_DAYS:
    'Ended runs, with their attempts and answers, are deleted so many days after their end; `0`: never. Their calls are still known when they come again.',
  ROBOTS_DIR:
    'Folder with robots of your own: each `*.ts` or `*.js` file exports one made with `defineRobot`; `_*`, `*.test.*` and `*.d.ts` are passed over.',
  KEEP_JOURNAL_DAYS: 'Lines of the journal are cut from its oldest end after so many days; `0`: never.',
  FAILURES_SHOWN:
    'What a run that failed leaves besides its outputs: `comment` in the item’s timeline, `notice` to its responsible person, `both`, or `off`. A step that does not wait leaves its comment in any case.',
  SECRET_KEYS:
    '`id:base64(32 bytes)`, comma-separated; the first encrypts, all decrypt. Absent: a key is generated in `DATA_DIR`.',
  OUTBOUND_PROXY:
    'HTTP proxy for requests to the portal and its OAuth servers, `http://user:password@proxy.example:3128`. Directum is always asked directly; `HTTP_PROXY` and its kin count for nothing.',
  OPS_TOKEN: 'Bearer token of `/metrics`. Absent: `/metrics` answers 404.',
  LOG_LEVEL: '`fatal`, `error`, `warn`, `info`, `debug` or `trace`.',
};

const FIRES_OF_CONTRACTS: Record<ContractTrigger, LocalText> = {
  directum_approved: {
    ru: 'документ согласован всеми (или уже подписан); один раз',
    en: 'everybody approved the document (or it is signed already); once',
  },
  directum_rejected: {
    ru: 'согласование прекращено или контрагент отказал; один раз',
    en: 'its approval was aborted or the counterparty refused; once',
  },
  directum_rework: {
    ru: 'документ вернули на доработку; при каждом возврате',
    en: 'it was sent back for rework; at each return',
  },
  directum_signed_us: { ru: 'подписан с нашей стороны; один раз', en: 'signed by us; once' },
  directum_signed_both: { ru: 'подписан обеими сторонами; один раз', en: 'signed by both sides; once' },
  directum_executed: { ru: 'договор исполнен; один раз', en: 'the contract is executed; once' },
  directum_overdue: {
    ru: 'срок действия прошёл, а договор не исполнен; один раз на каждую дату',
    en: 'the validity ended and the contract is not executed; once for each date',
  },
  directum_due: {
    ru: 'близок срок действия или срок этапа; один раз на каждую дату и каждый порог из `DIRECTUM_DUE_DAYS`',
    en: 'the end of the validity or a milestone is near; once for each date and step of `DIRECTUM_DUE_DAYS`',
  },
};

/** When each trigger fires (interface.md §5). */
function firesWhen(code: TriggerCode): LocalText {
  const ofContract = FIRES_OF_CONTRACTS[code.replace('directum_document_', 'directum_') as ContractTrigger];
  if (!code.startsWith('directum_document_')) return ofContract;
  return {
    ru: `то же для документа, который создал «${createDocument.name.ru}»`,
    en: `the same of a document made by «${createDocument.name.en}»`,
  };
}

const WORDS = {
  en: {
    inputs: '| Input | Title | Type | Meaning |',
    outputs: '| Output | Title | Type |',
    statuses: '| Status | Title | In Directum |',
    required: 'required',
    multiple: 'several',
    byDefault: 'default',
    triggers: '| Code | Title | Fires |',
    common: 'Every robot also returns',
    items: 'Works on',
    kinds: {
      deal: 'deals',
      lead: 'leads',
      quote: 'quotes',
      smart_invoice: 'smart invoices',
      dynamic: 'smart processes',
      company: 'companies',
      contact: 'contacts',
    },
    types: {
      string: 'string',
      text: 'text',
      int: 'number',
      bool: 'Y/N',
      date: 'date',
      datetime: 'date and time',
      select: 'choice',
      user: 'user',
    },
  },
  ru: {
    inputs: '| Поле | Название | Тип | Что указать |',
    outputs: '| Результат | Название | Тип |',
    statuses: '| Статус | Название | В Directum |',
    required: 'обязательно',
    multiple: 'несколько',
    byDefault: 'по умолчанию',
    triggers: '| Код | Название | Когда срабатывает |',
    common: 'Кроме своих результатов каждый робот возвращает',
    items: 'Работает с элементами',
    kinds: {
      deal: 'сделки',
      lead: 'лиды',
      quote: 'предложения',
      smart_invoice: 'счета',
      dynamic: 'смарт-процессы',
      company: 'компании',
      contact: 'контакты',
    },
    types: {
      string: 'строка',
      text: 'текст',
      int: 'число',
      bool: 'Y/N',
      date: 'дата',
      datetime: 'дата и время',
      select: 'список',
      user: 'сотрудник',
    },
  },
} satisfies Record<Language, unknown>;

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function rule(header: string): string {
  return header.replace(/[^|]+/g, '---');
}

/** @throws TypeError when settings and meanings differ */
function settingsTable(): string {
  const missing = Object.keys(settings).filter((name) => !Object.hasOwn(MEANINGS, name));
  const extra = Object.keys(MEANINGS).filter((name) => !Object.hasOwn(settings, name));
  if (missing.length > 0 || extra.length > 0)
    throw new TypeError(`MEANINGS: missing [${missing.join(', ')}], without a setting [${extra.join(', ')}]`);
  const header = '| Name | Default | Meaning |';
  const rows = Object.entries<z.ZodType>(settings).map(
    ([name, schema]) => `| \`${name}\` | ${byDefault(schema)} | ${cell(MEANINGS[name] as string)} |`,
  );
  return [header, rule(header), ...rows].join('\n');
}

function byDefault(schema: z.ZodType): string {
  if (schema instanceof z.ZodPrefault) return `\`${cell(String(schema.def.defaultValue))}\``;
  return schema instanceof z.ZodOptional ? 'none' : '**required**';
}

function fieldsOf(object: z.ZodObject): [string, ReadField][] {
  return Object.entries(object.shape).map(([code, schema]) => [code, readField(code, schema as z.ZodType)]);
}

function inputRow(code: string, facts: ReadField, language: Language): string {
  const words = WORDS[language];
  const marks = [
    words.types[facts.type],
    ...(facts.required ? [`**${words.required}**`] : []),
    ...(facts.multiple ? [words.multiple] : []),
  ];
  const options = Object.entries(facts.options ?? {}).map(
    ([key, title]) => `\`${key}\` — ${title[language]}`,
  );
  const meaning = [
    ...(facts.description ? [facts.description[language]] : []),
    ...(options.length > 0 ? [options.join(', ')] : []),
    ...(facts.default === undefined ? [] : [`${words.byDefault} \`${facts.default}\``]),
  ];
  return `| \`${code}\` | ${cell(facts.name[language])} | ${marks.join(', ')} | ${cell(meaning.join('; '))} |`;
}

function robotSection(robot: AnyRobot, language: Language): string {
  const words = WORDS[language];
  const kinds = robot.items.map((kind) => words.kinds[kind]).join(', ');
  return [
    `### \`${robot.code}\``,
    '',
    `**${robot.name[language]}.** ${robot.description[language]} ${words.items}: ${kinds}.`,
    '',
    words.inputs,
    rule(words.inputs),
    ...fieldsOf(robot.inputs).map(([code, facts]) => inputRow(code, facts, language)),
    '',
    words.outputs,
    rule(words.outputs),
    ...outputRows(robot.outputs, language),
  ].join('\n');
}

function outputRows(object: z.ZodObject, language: Language): string[] {
  return fieldsOf(object).map(
    ([code, { name, type }]) => `| \`${code}\` | ${cell(name[language])} | ${WORDS[language].types[type]} |`,
  );
}

function robotsPart(language: Language): string {
  const words = WORDS[language];
  const common = [
    `${words.common}:`,
    '',
    words.outputs,
    rule(words.outputs),
    ...outputRows(commonOutputs, language),
  ].join('\n');
  return [...robots.map((robot) => robotSection(robot, language)), common].join('\n\n');
}

function triggersTable(language: Language): string {
  const header = WORDS[language].triggers;
  const rows = Object.entries(TRIGGER_NAMES).map(
    ([code, name]) =>
      `| \`${code}\` | ${cell(name[language])} | ${cell(firesWhen(code as TriggerCode)[language])} |`,
  );
  return [header, rule(header), ...rows].join('\n');
}

function statusesTable(language: Language): string {
  const header = WORDS[language].statuses;
  const rows = Object.entries(STATUS_WORDS).map(
    ([code, { title, when }]) => `| \`${code}\` | ${cell(title[language])} | ${cell(when[language])} |`,
  );
  return [header, rule(header), ...rows].join('\n');
}

/** Puts `text` between the markers of a part. @throws TypeError when only one of them is there */
function replacePart(source: string, part: string, text: string): string {
  const begin = `<!-- ${part}:begin -->`;
  const end = `<!-- ${part}:end -->`;
  const from = source.indexOf(begin);
  const to = source.indexOf(end);
  if (from < 0 && to < 0) return source;
  if (from < 0 || to < from) throw new TypeError(`the markers of ${part} do not pair`);
  return `${source.slice(0, from + begin.length)}\n\n${text}\n\n${source.slice(to)}`;
}

const OPTIONS = {
  check: {
    about: {
      en: 'writes nothing, exit 1 when a table is stale',
      ru: 'ничего не записывает, код 1, если таблица устарела',
    },
  },
} as const;

/** The tables of README and guides that follow from code. */
export const docs = defineCommand(
  {
    call: 'npm run docs',
    about: {
      en: 'Writes the tables of README.md and of the guides anew from the code: settings, robots, triggers, statuses.',
      ru: 'Обновляет по коду таблицы README.md и руководств: настройки, роботы, триггеры, состояния.',
    },
    forms: ['[--check]'],
    options: OPTIONS,
  },
  async ({ values, print, warn, say }) => {
    let stale = 0;
    for (const [name, language] of Object.entries(FILES)) {
      const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
      const written = await readFile(path, 'utf8');
      const parts = {
        settings: settingsTable(),
        robots: robotsPart(language),
        triggers: triggersTable(language),
        statuses: statusesTable(language),
      };
      const fresh = Object.entries(parts).reduce(
        (text, [part, table]) => replacePart(text, part, table),
        written,
      );
      if (fresh === written) continue;
      if (values.check) {
        stale += 1;
        warn(
          say({ en: `${name} is stale: run npm run docs`, ru: `${name} устарел: выполните npm run docs` }),
        );
      } else {
        await writeFile(path, fresh);
        print(say({ en: `${name} written`, ru: `${name} записан` }));
      }
    }
    return stale > 0 ? 1 : 0;
  },
);

if (import.meta.main) process.exitCode = await obey(docs, process);
