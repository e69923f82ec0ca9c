import { randomBytes } from 'node:crypto';
import { toCause } from '../../src/command/cause.ts';
import { toMoment } from '../../src/command/moment.ts';
import type { Config } from '../../src/config.ts';
import { within } from '../../src/lib/work/timeout.ts';
import { openModules } from '../../src/modules.ts';
import type { LocalText } from '../../src/robot/failure.ts';
import { createQuarantine, type QuarantineFeed } from '../../src/store/feeds/quarantine.ts';
import { createContentSeal } from '../../src/store/secrets/content-seal.ts';
import { createSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import {
  bad,
  type Check,
  EMBEDDED_LIMIT_MS,
  good,
  inspect,
  LIMIT_MS,
  type Line,
  log,
  notChecked,
  now,
} from './finding.ts';
import { keys, openKeys } from './sealed.ts';
import type { OfSettings } from './settings.ts';

export type Modules = Awaited<ReturnType<typeof openModules>>;

interface Seen {
  up: boolean;
  reason: LocalText;
}

async function look(url: string, isOurs: (status: number, body: string) => boolean): Promise<Seen> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(LIMIT_MS - 1_000) });
    const body = (await response.text()).slice(0, 100).trim();
    const { status } = response;
    return {
      up: isOurs(status, body),
      reason: status === 200 ? STRANGER : { en: `code ${status}`, ru: `код ${status}` },
    };
  } catch (error) {
    const cause = toCause(error);
    if (cause === null) {
      const { cause: reason, message } = error as Error;
      const words = reason instanceof Error ? reason.message : message;
      return { up: false, reason: { en: `no answer (${words})`, ru: `нет ответа (${words})` } };
    }
    return {
      up: false,
      reason: { en: `${cause.text.en} (${cause.code})`, ru: `${cause.text.ru} (${cause.code})` },
    };
  }
}

const STRANGER = { en: 'another program answers', ru: 'отвечает другая программа' };

/**
 * Asked from this machine, as a portal would ask, and only for what a proxy passes to the service (interface.md §2); the
 * local port tells a stopped service from a proxy's fault.
 */
export const publicUrl: Check<OfSettings> = {
  check: 'public url',
  ru: 'внешний адрес',
  async find({ config }) {
    const host = ['0.0.0.0', '::'].includes(config.HOST) ? '127.0.0.1' : config.HOST;
    const local = `http://${host.includes(':') ? `[${host}]` : host}:${config.PORT}`;
    const address = `${config.PUBLIC_URL}/bitrix24/`;
    const [outside, inside] = await Promise.all([
      look(address, (status, body) => status === 200 && body === ''),
      look(`${local}/healthz`, (status, body) => status === 200 && body === 'ok'),
    ]);
    if (outside.up) return good(`${config.PUBLIC_URL} answers`, `${config.PUBLIC_URL} отвечает`);
    const answer = {
      en: `PUBLIC_URL: ${address}: ${outside.reason.en}.`,
      ru: `PUBLIC_URL: ${address}: ${outside.reason.ru}.`,
    };
    return inside.up
      ? bad(
          `${answer.en} The service runs on this machine: check DNS, the proxy and its certificate.`,
          `${answer.ru} Сервис на этой машине работает: проверьте DNS, прокси и его сертификат.`,
        )
      : bad(
          `${answer.en} Start the service: npm start. If it runs elsewhere, check DNS, the proxy and its certificate.`,
          `${answer.ru} Запустите сервис: npm start. Если он работает на другой машине, проверьте DNS, прокси и его сертификат.`,
        );
  },
};

/** A store whose keys were found to open what it holds. */
export interface OfStore {
  store: Store;
  config: Config;
}

export interface Opened {
  lines: Line[];
  /** Null when something before it is to be mended, which `blockedBy` names. */
  modules: Modules | null;
  blockedBy: LocalText;
  close(): Promise<void>;
}

/** A refusal that is older may have been mended since. */
const REFUSED_HOURS = 24;
/** Runs whose sealed outputs are looked at for a contract that was made and not found. */
const MOST_OPENED = 1_000;

/** Whether the account may make contracts cannot be asked without making one, so the latest run that shows it tells. */
export const contracts: Check<OfStore> = {
  check: 'contracts',
  ru: 'договоры',
  async find({ store, config }) {
    const { rows } = await store.pool.query<{ ending: string; ended_at: Date; outcome: unknown }>(
      `SELECT ending, ended_at, outcome FROM run WHERE robot = 'directum_create_contract'
       AND ((ending = 'directum_access_denied' AND ended_at > $1) OR ending = 'done')
     ORDER BY ended_at DESC LIMIT $2`,
      [new Date(now().getTime() - REFUSED_HOURS * 3_600_000), MOST_OPENED],
    );
    const isOlderConnected = store.isOlderConnected;
    const content = createContentSeal({ keys: await openKeys(config), isOlderConnected, log });
    const last = rows.find(
      ({ ending, outcome }) =>
        ending !== 'done' || content.open<{ created?: unknown }>('run.outcome', outcome)?.created === 'Y',
    );
    if (last === undefined)
      return good(
        'none made yet: the first one shows whether the account has the rights to create them',
        'ещё не создавались: первый покажет, есть ли у учётной записи права на создание',
      );
    const at = toMoment(last.ended_at, config.TIME_ZONE);
    return last.ending === 'directum_access_denied'
      ? bad(
          `The last one was refused for want of rights at ${at}. Directum administrator: give the account the rights to create contracts and counterparties.`,
          `Последний создать не удалось: не хватило прав (${at}). Администратору Directum: дайте учётной записи права на создание договоров и контрагентов.`,
        )
      : good(`the account made one at ${at}`, `учётная запись создала договор ${at}`);
  },
};

/** A line is sealed within a minute; one that waits longer could still be changed unseen. */
const SEAL_LATE_SECONDS = 120;

export const journal: Check<OfStore> = {
  check: 'journal',
  ru: 'журнал',
  async find({ store }) {
    const { rows } = await store.pool.query<{ late: Date | null; sealed: string }>(
      `SELECT (SELECT min(at) FROM journal WHERE seal_no IS NULL) AS late,
         (SELECT coalesce(max(seal_no), 0) FROM journal) AS sealed`,
    );
    const { late, sealed } = rows[0] ?? { late: null, sealed: '0' };
    const seconds = late === null ? 0 : (now().getTime() - late.getTime()) / 1000;
    return seconds > SEAL_LATE_SECONDS
      ? bad(
          `Lines wait for their seal for ${Math.round(seconds / 60)} minutes. Start the service, or look for feed.failed in its log.`,
          `Строки ждут опечатывания ${Math.round(seconds / 60)} мин. Запустите сервис или найдите в его журнале событие feed.failed.`,
        )
      : good(`sealed up to line ${sealed}`, `опечатан до строки ${sealed}`);
  },
};

/** Names of the work that puts aside what it cannot process, and what is to be done with it. */
const ASIDE: Record<QuarantineFeed, LocalText & { todo: LocalText }> = {
  documents: {
    ...{ en: 'documents that the database cannot keep', ru: 'документы, которые база не может сохранить' },
    todo: { en: 'correct the card in Directum', ru: 'исправьте карточку в Directum' },
  },
  rescan: {
    ...{
      en: 'documents that Directum refuses to show',
      ru: 'документы, которые Directum отказывается показать',
    },
    todo: {
      en: 'open the card in Directum by the account',
      ru: 'откройте карточку в Directum от имени учётной записи',
    },
  },
  dates: {
    ...{ en: 'documents whose dates cannot be checked', ru: 'документы, сроки которых не проверить' },
    todo: { en: 'correct the dates in Directum', ru: 'исправьте сроки в Directum' },
  },
  deals: {
    ...{ en: 'CRM items whose answer cannot be kept', ru: 'элементы CRM, ответ о которых не сохранить' },
    todo: { en: 'look at the item in the portal', ru: 'посмотрите элемент на портале' },
  },
  outbox: {
    ...{
      en: 'messages and tasks whose answer cannot be kept',
      ru: 'сообщения и задачи, ответ о которых не сохранить',
    },
    todo: { en: 'look at the item in the portal', ru: 'посмотрите элемент на портале' },
  },
};
/** So many of each are named. */
const NAMED = 5;

export const quarantine: Check<OfStore> = {
  check: 'quarantine',
  ru: 'карантин',
  async find({ store }) {
    const rows = await createQuarantine(store.pool).list(now());
    if (rows.length === 0) return good('nothing is put aside', 'ничего не отложено');
    const list = (language: 'en' | 'ru') =>
      [...Map.groupBy(rows, ({ feed }) => feed)]
        .map(([feed, of]) => {
          const keys = of.slice(0, NAMED).map(({ key, reason }) => `${key} (${reason})`);
          const more = of.length > NAMED ? ` + ${of.length - NAMED}` : '';
          return `${ASIDE[feed][language]}: ${keys.join(', ')}${more}: ${ASIDE[feed].todo[language]}`;
        })
        .join('; ');
    return bad(
      `Put aside, tried again daily and when it changes: ${list('en')}. The log says more (document.not_kept, document.not_read, date.not_checked, deal.not_kept, task.not_kept).`,
      `Отложено, повторяется раз в сутки и при изменении: ${list('ru')}. Подробности в логе (document.not_kept, document.not_read, date.not_checked, deal.not_kept, task.not_kept).`,
    );
  },
};

const database: Check<{ opening: Promise<Store>; config: Config }> = {
  check: 'database',
  ru: 'база данных',
  async find({ opening, config }) {
    const { pool } = await opening;
    const { rows } = await pool.query('SELECT count(*)::int AS count FROM schema_migration');
    const where = config.DATABASE_URL
      ? { en: 'PostgreSQL', ru: 'PostgreSQL' }
      : { en: `embedded PostgreSQL in ${config.DATA_DIR}`, ru: `встроенный PostgreSQL в ${config.DATA_DIR}` };
    return good(
      `${where.en} answers, ${rows[0].count} migrations are done`,
      `${where.ru} отвечает, выполнено миграций: ${rows[0].count}`,
    );
  },
};

export const versions: Check<OfStore> = {
  check: 'versions',
  ru: 'версии',
  find: async ({ store }) =>
    (await store.isOlderConnected())
      ? bad(
          'A process of an earlier version of the service is connected to the database: until it stops, robots are not registered and new content is not sealed. Stop it.',
          'К базе подключён процесс прежней версии сервиса: пока он работает, роботы не регистрируются, а новые имена и тексты не шифруются. Остановите его.',
        )
      : good('all processes are of this version', 'все процессы этой версии'),
};

/** Database, then keys, then what both are needed for. Nothing is made where nothing is. */
export async function openAll(config: Config, further: readonly Check<OfStore>[]): Promise<Opened> {
  const lines: Line[] = [];
  const options = { databaseUrl: config.DATABASE_URL, dataDir: config.DATA_DIR, log, now, onlyOpen: true };
  // Nothing is read with these: whether the database answers does not depend on the keys.
  const anyKeys = createSecretKeys(new Map([['none', randomBytes(32)]]));
  const opening = openStore({ ...options, keys: anyKeys });
  const close = () =>
    opening.then(
      (store) => store.close(),
      () => undefined,
    );
  const blocked = ({ check, ru }: { check: string; ru: string }): Opened => ({
    lines,
    modules: null,
    blockedBy: { en: check, ru },
    close,
  });
  const limit = config.DATABASE_URL ? LIMIT_MS : EMBEDDED_LIMIT_MS;
  lines.push(await inspect(database, { opening, config }, config, limit));
  if (!lines.at(-1)?.ok) {
    lines.push(notChecked(keys, { en: database.check, ru: database.ru }));
    return blocked(database);
  }
  const of = { store: await opening, config };
  lines.push(await inspect(keys, of, config));
  if (!lines.at(-1)?.ok) return blocked(keys);
  lines.push(...(await Promise.all(further.map((one) => inspect(one, of, config)))));
  try {
    const modules = await within(EMBEDDED_LIMIT_MS, openModules(config, { log, now, onlyOpen: true }));
    const closeBoth = async () => {
      await modules.close();
      await close();
    };
    return { lines, modules, blockedBy: { en: '', ru: '' }, close: closeBoth };
  } catch {
    return blocked(database);
  }
}
