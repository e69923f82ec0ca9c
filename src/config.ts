import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isDatabaseUrl } from './lib/database-url.ts';
import { toClean } from './lib/text.ts';

/** A setting that cannot be used and what is expected of it, without its value. */
export interface Problem {
  name: string;
  text: { ru: string; en: string };
}

/** Thrown at a bad start; `problems` lists every setting that is wrong. */
export class ConfigError extends Error {
  readonly problems: Problem[];
  /** All of them, a line each, for the operator. */
  readonly text: Problem['text'];
  constructor(problems: Problem[]) {
    const list = (language: 'ru' | 'en') =>
      problems.map(({ name, text }) => `\n  - ${name}: ${text[language]}`).join('');
    const text = {
      ru: `Настройки не годятся:${list('ru')}`,
      en: `The settings cannot be used:${list('en')}`,
    };
    super(text.en);
    this.problems = problems;
    this.text = text;
  }
}

const HOSTNAME_WITH_DOT = /\./;
/** Names, IPv4 and IPv6: a wildcard or a final dot would never equal the host a portal names. */
const HOSTNAME = /^([\w-]+(\.[\w-]+)*|\[[\da-f:.]+\])$/;

function refuse(context: z.core.$RefinementCtx, en: string, ru: string): typeof z.NEVER {
  context.addIssue({ code: 'custom', message: en, params: { ru } });
  return z.NEVER;
}

/** An origin: scheme, host, port and nothing else. */
function toOrigin(text: string): string | null {
  try {
    const url = new URL(text);
    const bare = url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
    return bare && HOSTNAME.test(url.hostname) && (url.protocol === 'https:' || url.protocol === 'http:')
      ? url.origin
      : null;
  } catch {
    return null;
  }
}

const integer = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max
      ? value
      : refuse(
          context,
          `a whole number from ${min} to ${max} is expected`,
          `нужно целое число от ${min} до ${max}`,
        );
  });

const origins = z.string().transform((text, context) => {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const list = parts.map(toOrigin).filter((origin) => origin !== null);
  if (list.length === 0 || list.length < parts.length) {
    return refuse(
      context,
      'origins separated by commas are expected, for example https://acme.bitrix24.ru',
      'нужны адреса без пути через запятую, например https://acme.bitrix24.ru',
    );
  }
  return list;
});

const address = (example: string) =>
  z.string().transform((text, context) => {
    try {
      const url = new URL(text);
      const plain = !url.username && !url.password && !url.search && !url.hash;
      if ((url.protocol === 'https:' || url.protocol === 'http:') && plain) return url.origin + url.pathname;
    } catch {}
    return refuse(context, `an address such as ${example} is expected`, `нужен адрес вида ${example}`);
  });

const databaseUrl = z.string().transform((text, context) => {
  if (isDatabaseUrl(text)) return text;
  return refuse(
    context,
    'an address such as postgresql://user:password@host/database is expected, with marks such as # or / of the password written as %23 or %2F',
    'нужен адрес вида postgresql://user:password@host/database; знаки # и / в пароле пишутся как %23 и %2F',
  );
});

const publicUrl = z.string().transform((text, context) => {
  const origin = toOrigin(text);
  if (!origin)
    return refuse(
      context,
      'an address without a path is expected, for example https://directum.example',
      'нужен адрес без пути, например https://directum.example',
    );
  if (!HOSTNAME_WITH_DOT.test(new URL(origin).hostname)) {
    return refuse(
      context,
      'the host needs a dot: Bitrix24 refuses handlers such as localhost',
      'в имени узла нужна точка: Битрикс24 не принимает обработчики вида localhost',
    );
  }
  return origin;
});

const proxy = z.string().transform((text, context) => {
  try {
    const url = new URL(text);
    // A password that cannot be decoded could not be sent either.
    decodeURIComponent(url.username + url.password);
    if (url.protocol === 'http:' && url.pathname === '/' && !url.search && !url.hash) return url.href;
  } catch {}
  return refuse(
    context,
    'an address such as http://proxy.example:3128 or http://user:password@proxy.example:3128 is expected',
    'нужен адрес вида http://proxy.example:3128 или http://user:password@proxy.example:3128',
  );
});

const rate = z.string().transform((text, context) => {
  const match = /^(\d{1,6}(?:\.\d{1,6})?)\/(\d{1,9})$/.exec(text);
  if (!match || Number(match[1]) <= 0 || Number(match[2]) < 1) {
    return refuse(
      context,
      'calls per second and bucket are expected, for example 2/50',
      'нужны вызовы в секунду и запас, например 2/50',
    );
  }
  return { perSecond: Number(match[1]), bucket: Number(match[2]) };
});

const days = z.string().transform((text, context) => {
  const list = text.split(',').map((part) => part.trim());
  return list.every((part) => /^\d{1,3}$/.test(part))
    ? list.map(Number)
    : refuse(
        context,
        'days separated by commas are expected, for example 30,7,1',
        'нужны дни через запятую, например 30,7,1',
      );
});

const timeZone = z.string().transform((text, context) => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return refuse(
      context,
      'a time zone name is expected, for example Europe/Moscow',
      'нужно название часового пояса, например Europe/Moscow',
    );
  }
});

const pemFile = z.string().transform((path, context) => {
  try {
    const pem = readFileSync(path, 'utf8');
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  } catch {}
  return refuse(
    context,
    'a readable PEM file with a certificate is expected',
    'нужен доступный для чтения файл PEM с сертификатом',
  );
});

const secretKeys = z.string().transform((text, context) => {
  const ids = text.split(',').map((part) => {
    const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(part.trim());
    return match !== null && Buffer.from(match[2] ?? '', 'base64').length === 32 ? match[1] : null;
  });
  return !ids.includes(null) && new Set(ids).size === ids.length
    ? text
    : refuse(
        context,
        'id:base64(32 bytes), separated by commas, is expected, each id once',
        'нужны id:base64(32 байта) через запятую, каждый id один раз',
      );
});

const choice = <const T extends readonly [string, ...string[]]>(values: T) => z.enum(values);

/** Every setting with its default as an operator would write it (interface.md §1); README's table is made from it. */
export const settings = {
  PORT: integer(0, 65535).prefault('3000'),
  HOST: z.string().prefault('0.0.0.0'),
  PUBLIC_URL: publicUrl,
  DATABASE_URL: databaseUrl.optional(),
  DATA_DIR: z.string().prefault('./data'),
  BITRIX24_CLIENT_ID: z.string(),
  BITRIX24_CLIENT_SECRET: z.string(),
  BITRIX24_PORTALS: origins,
  BITRIX24_OAUTH_SERVERS: origins.prefault('https://oauth.bitrix24.tech,https://oauth.bitrix.info'),
  BITRIX24_RATE: rate.prefault('2/50'),
  BITRIX24_ANSWER_BATCH: integer(1, 50).prefault('25'),
  DIRECTUM_URL: address('https://rx.example/Integration/odata/'),
  DIRECTUM_WEB_URL: address('https://rx.example/Client').optional(),
  DIRECTUM_LOGIN: z.string(),
  DIRECTUM_PASSWORD: z.string(),
  DIRECTUM_AUTH: choice(['basic', 'token']).prefault('basic'),
  DIRECTUM_CA_FILE: pemFile.optional(),
  DIRECTUM_POLL_SECONDS: integer(1, 31_536_000).prefault('60'),
  DIRECTUM_CONCURRENCY: integer(1, 1000).prefault('12'),
  DIRECTUM_CONTRACT_KIND: z.string().optional(),
  DIRECTUM_BUSINESS_UNIT: z.string().optional(),
  DIRECTUM_RESPONSIBLE: z.string().optional(),
  DIRECTUM_DUE_DAYS: days.prefault('30,7,1'),
  DIRECTUM_TASKS: choice(['on', 'off']).prefault('on'),
  TIME_ZONE: timeZone.prefault('Europe/Moscow'),
  RUN_MAX_HOURS: integer(1, 8760).prefault('24'),
  WAIT_MAX_HOURS: integer(1, 8760).prefault('720'),
  KEEP_RUNS_DAYS: integer(0, 36_500).prefault('365'),
  ROBOTS_DIR: z.string().optional(),
  KEEP_JOURNAL_DAYS: integer(0, 36_500).prefault('1825'),
  FAILURES_SHOWN: choice(['comment', 'notice', 'both', 'off']).prefault('both'),
  SECRET_KEYS: secretKeys.optional(),
  OUTBOUND_PROXY: proxy.optional(),
  OPS_TOKEN: z.string().optional(),
  LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).prefault('info'),
} satisfies Record<string, z.ZodType>;

const schema = z.object(settings);
export type Config = Omit<z.output<typeof schema>, 'DIRECTUM_WEB_URL'> & {
  DIRECTUM_WEB_URL: string;
  /** Proxy settings that other programs obey and we do not; they are here only while OUTBOUND_PROXY is not set. */
  ignoredProxies: string[];
};

/**
 * Reads the settings once. An empty value counts as absent. `before`: what was found wrong where they come from.
 * @throws ConfigError with every problem at once, and no secret in it
 */
export function parseConfig(
  env: Readonly<Record<string, string | undefined>>,
  before: readonly Problem[] = [],
): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const known = Object.fromEntries(
    Object.keys(settings).map((name) => [
      name,
      given[name] === undefined ? undefined : toClean(given[name]).trim(),
    ]),
  );
  const unknown = Object.keys(env)
    .filter((name) => env[name] !== undefined)
    .filter((name) => /^(BITRIX24|DIRECTUM)_/.test(name) && !Object.hasOwn(settings, name));
  const problems = [...before, ...unknown.map((name) => ({ name, text: NO_SUCH }))];
  const parsed = schema.safeParse(known);
  if (!parsed.success) {
    const seen = new Set<string>();
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      if (seen.has(name)) continue;
      seen.add(name);
      problems.push({ name, text: known[name] === undefined ? MISSING : toText(issue) });
    }
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const webUrl = parsed.data.DIRECTUM_WEB_URL ?? new URL('/Client', parsed.data.DIRECTUM_URL).href;
  const ignoredProxies =
    parsed.data.OUTBOUND_PROXY === undefined
      ? Object.keys(given).filter((name) => /^(https?|all)_proxy$/i.test(name))
      : [];
  return { ...parsed.data, DIRECTUM_WEB_URL: webUrl.replace(/\/+$/, ''), ignoredProxies };
}

const NO_SUCH = {
  ru: 'такой настройки нет; проверьте написание',
  en: 'no such setting; check the spelling',
};
const MISSING = {
  ru: 'настройка обязательна, а её нет',
  en: 'it is required and missing',
};

function toText(issue: z.core.$ZodIssue): Problem['text'] {
  if (issue.code === 'custom') return { en: issue.message, ru: String(issue.params?.['ru']) };
  const values = issue.code === 'invalid_value' ? issue.values.join(', ') : '';
  return { en: `one of ${values} is expected`, ru: `нужно одно из значений: ${values}` };
}
