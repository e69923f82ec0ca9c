import { resolve, sep } from 'node:path';
import type { Config } from '../config.ts';
import { decodeMark, parseDatabaseUrl } from '../lib/database-url.ts';
import { redact } from '../log.ts';
import type { LocalText } from '../robot/failure.ts';
import { toCause } from './cause.ts';

type Facts = Error & {
  code?: unknown;
  syscall?: unknown;
  path?: unknown;
  address?: unknown;
  port?: unknown;
  severity?: unknown;
};

/** What went wrong in words for the operator: which setting or file, and what to do. Holds no secret. */
export function tell(error: unknown, config: Config | null): LocalText {
  const text =
    own(error) ??
    (error instanceof Error
      ? (ofListening(error) ?? ofFile(error, config) ?? ofDatabase(error, config))
      : null) ??
    unexpected(error);
  return { en: String(redact(text.en)), ru: String(redact(text.ru)) };
}

/** True for what the operator can mend: a setting, a file, another service. */
export function isMendable(error: unknown, config: Config | null): boolean {
  if (!(error instanceof Error)) return false;
  return [own(error), ofListening(error), ofFile(error, config), ofDatabase(error, config)].some(Boolean);
}

/** Errors that are made for people say it themselves. */
function own(error: unknown): LocalText | null {
  const text = (error as { text?: Partial<LocalText> } | null)?.text;
  return typeof text?.en === 'string' && typeof text.ru === 'string' ? { en: text.en, ru: text.ru } : null;
}

function unexpected(error: unknown): LocalText {
  const reason = error instanceof Error ? error.message || String((error as Facts).code) : String(error);
  return {
    en: `A fault of the service itself: ${reason}. LOG_LEVEL=debug shows where.`,
    ru: `Внутренняя ошибка сервиса: ${reason}. Подробности покажет LOG_LEVEL=debug.`,
  };
}

function ofListening(error: Facts): LocalText | null {
  if (error.syscall !== 'listen') return null;
  const at = `${error.address ?? ''}${error.port === undefined ? '' : `:${error.port}`}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return {
        en: `PORT, HOST: another program listens on ${at} already. Stop it (perhaps it is this service), or choose another PORT.`,
        ru: `PORT, HOST: адрес ${at} уже занят другой программой. Остановите её (возможно, это уже запущенный сервис) или выберите другой PORT.`,
      };
    case 'EACCES':
      return {
        en: `PORT: this user may not listen on ${at}. Choose a PORT from 1024 on, and let a proxy take 80 or 443.`,
        ru: `PORT: этому пользователю нельзя занять ${at}. Выберите PORT от 1024, а 80 и 443 оставьте прокси.`,
      };
    default:
      return {
        en: `HOST: the service cannot listen on ${at} (${error.code}). 0.0.0.0 is every address of this machine.`,
        ru: `HOST: нельзя занять адрес ${at} (${error.code}). 0.0.0.0 означает все адреса этой машины.`,
      };
  }
}

const FILES: Readonly<Record<string, LocalText>> = {
  ENOENT: { en: 'it is not there', ru: 'его нет' },
  ENOTDIR: { en: 'a part of the path is no folder', ru: 'часть пути — не папка' },
  EISDIR: { en: 'it is a folder', ru: 'это папка' },
  ENOTEMPTY: { en: 'it is a folder', ru: 'это папка' },
  EEXIST: { en: 'it is there already', ru: 'уже существует' },
  EACCES: { en: 'this user has no right to it', ru: 'у этого пользователя нет прав' },
  EPERM: { en: 'this user has no right to it', ru: 'у этого пользователя нет прав' },
  EROFS: { en: 'the file system is read-only', ru: 'файловая система только для чтения' },
  ENOSPC: { en: 'the disk is full', ru: 'на диске нет места' },
  EDQUOT: { en: 'the disk quota is used up', ru: 'исчерпана дисковая квота' },
  EMFILE: { en: 'too many files are open', ru: 'открыто слишком много файлов' },
  EIO: { en: 'the disk does not answer', ru: 'диск не отвечает' },
};

function ofFile(error: Facts, config: Config | null): LocalText | null {
  const words = FILES[String(error.code)];
  if (words === undefined || /^(connect|getaddrinfo|listen|bind)$/.test(String(error.syscall))) return null;
  const dataDir = config && resolve(config.DATA_DIR);
  // A file has another name while it is written; the operator knows the last one.
  const path = typeof error.path === 'string' ? error.path.replace(/\.[0-9a-f]{12}\.partial$/, '') : dataDir;
  if (path === null) return null;
  const isData = dataDir !== null && (resolve(path) === dataDir || resolve(path).startsWith(dataDir + sep));
  const name = isData ? `DATA_DIR: ${path}` : path;
  return {
    en: `${name}: ${words.en} (${error.code}).`,
    ru: `${name}: ${words.ru} (${error.code}).`,
  };
}

const PASSWORDS = /^28/;
/** Messages of the driver, which have no code, about a server that does not answer. */
const SILENCE = /^(timeout expired|timeout exceeded|Connection terminated|Query read timeout)/;

const NO_TLS = /^The server does not support SSL connections/;

/** An error of the network or of PostgreSQL that arrives here is of the database: other systems have errors of their own. */
function ofDatabase(error: Facts, config: Config | null): LocalText | null {
  if (config === null) return null;
  const { setting, at, user, database } = toPlace(config);
  const begin = { en: `${setting}: PostgreSQL at ${at}`, ru: `${setting}: PostgreSQL по адресу ${at}` };
  // A socket in a folder may also be missing, or belong to somebody else.
  const why = toCause(error)?.text ?? (error.syscall === 'connect' ? FILES[String(error.code)] : undefined);
  if (why !== undefined) {
    const code = toCause(error)?.code ?? error.code;
    return {
      en: `${begin.en} cannot be reached: ${why.en} (${code}).`,
      ru: `${begin.ru} недоступен: ${why.ru} (${code}).`,
    };
  }
  if (SILENCE.test(error.message))
    return { en: `${begin.en} does not answer.`, ru: `${begin.ru} не отвечает.` };
  if (NO_TLS.test(error.message))
    return {
      en: `${begin.en} speaks no TLS, which sslmode of the address asks for: take sslmode away, or switch TLS on in PostgreSQL.`,
      ru: `${begin.ru} не поддерживает TLS, а sslmode в адресе его требует: уберите sslmode или включите TLS в PostgreSQL.`,
    };
  const code = String(error.code);
  if (typeof error.severity !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return null;
  if (PASSWORDS.test(code))
    return {
      en: `${begin.en} does not let ${user === '' ? 'a user without a name' : `user ${user}`} in: check name and password.`,
      ru: `${begin.ru} не принимает ${user === '' ? 'пользователя без имени' : `пользователя ${user}`}: проверьте имя и пароль.`,
    };
  if (code === '3D000')
    return { en: `${begin.en} has no database ${database}.`, ru: `${begin.ru}: нет базы ${database}.` };
  return {
    en: `${begin.en} refuses: ${error.message} (${code}).`,
    ru: `${begin.ru} отказал: ${error.message} (${code}).`,
  };
}

function toPlace(config: Config): { setting: string; at: string; user: string; database: string } {
  if (config.DATABASE_URL === undefined)
    return { setting: 'DATA_DIR', at: resolve(config.DATA_DIR), user: 'directum', database: 'postgres' };
  const url = parseDatabaseUrl(config.DATABASE_URL);
  // The settings were checked, so there is one.
  if (url === null) throw new TypeError('DATABASE_URL is no address');
  const socket = url.searchParams.get('host');
  return {
    setting: 'DATABASE_URL',
    at: socket ?? `${url.hostname}:${url.port || 5432}`,
    user: decodeMark(url.username) || (url.searchParams.get('user') ?? ''),
    database: decodeMark(url.pathname.slice(1)),
  };
}
