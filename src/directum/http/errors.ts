import { parseJson, shorten } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import { saysLocked, withoutData } from './refusal-text.ts';

/** Longest quotation of Directum's own words, so that the whole text stays under 450 characters. */
const QUOTE = 200;

/** What Directum answered a refused request, as the cause of the failure it became. */
export class DirectumAnswer extends Error {
  /** Its own words on one line, cut and without secrets, as the failure's text quotes them; null when it said nothing. */
  readonly quoted: string | null;
  /** Its own words without customers' data (`withoutData`), for recognising refusals. */
  readonly words: string;
  readonly status: number;

  constructor(status: number, said: { quoted: string | null; words: string }) {
    super(`Directum answered ${status}`);
    this.status = status;
    this.quoted = said.quoted;
    this.words = said.words;
  }
}

/** The answer is none of Directum's: a proxy page, a cut answer, another service behind the address. */
export function badAnswer(what: string): RobotFailure {
  return new RobotFailure(
    'directum_unavailable',
    {
      ru: 'Directum ответил не так, как отвечает его служба интеграции. Администратору: проверьте адрес DIRECTUM_URL и прокси перед Directum.',
      en: 'Directum answered unlike its integration service. Administrator: check the address DIRECTUM_URL and the proxy before Directum.',
    },
    { cause: new Error(`answer: ${what}`) },
  );
}

/** A record that could be read is not shown any more, nor anything else of its kind: the account seems to have lost rights. */
export function lostRights(what: LocalText): RobotFailure {
  return new RobotFailure('directum_unavailable', {
    ru: `Directum перестал показывать ${what.ru}: похоже, у учётной записи сервиса отобрали права. Администратору Directum: верните права на чтение; робот продолжит сам.`,
    en: `Directum shows no ${what.en} any more: the service's account seems to have lost its rights. Directum administrator: give it back the right to read; the robot then goes on by itself.`,
  });
}

/** The token endpoint refused, but not the login: it does so until a certificate is set up (directum.md A.3). */
export function noToken(status: number): RobotFailure {
  return new RobotFailure(
    'directum_unavailable',
    {
      ru: `Directum не выдал токен входа (код ответа ${status}). Администратору: настройте сертификат токенов в сервисе интеграции или укажите DIRECTUM_AUTH=basic.`,
      en: `Directum gave no login token (answer code ${status}). Administrator: set up the token certificate of the integration service or use DIRECTUM_AUTH=basic.`,
    },
    { cause: new Error(`token: ${status}`) },
  );
}

/** The network, a time limit or the open circuit kept the request from an answer. */
export function unreachable(cause: unknown): RobotFailure {
  return new RobotFailure(
    'directum_unavailable',
    {
      ru: 'Directum не отвечает. Повторите позже; если не помогает, администратору: проверьте службу Directum, сеть и DIRECTUM_URL.',
      en: 'Directum does not answer. Repeat later; if that does not help, administrator: check the Directum service, the network and DIRECTUM_URL.',
    },
    { cause },
  );
}

/** Directum's own words from any form of error answer (directum.md A.9); null when none. */
function errorText(body: string): string | null {
  let found: unknown = body;
  try {
    found = messageOf(parseJson(body));
    // JSON of an unknown form is quoted as it came.
    if (typeof found !== 'string' || found.trim() === '') found = body;
  } catch {
    // Plain text is one of the known forms; a proxy's page tells a person nothing.
    if (isPage(body)) return null;
  }
  return String(found);
}

function oneLine(text: string | null): string | null {
  const line = text
    ?.replace(/<[^>]{1,200}>/g, ' ')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an error text may hold anything
    .replace(/[\s\u0000-\u001f]+/g, ' ')
    .trim();
  return line || null;
}

/** A page of a proxy begins with a tag; tags inside a text are data. */
function isPage(body: string): boolean {
  return /^\s*</.test(body);
}

function messageOf(value: unknown): unknown {
  if (!isObject(value)) return typeof value === 'string' ? value : null;
  const error = value['error'] ?? value['Error'];
  if (typeof error === 'string') return error;
  if (!isObject(error)) return value['message'] ?? value['Message'] ?? null;
  const message = error['message'];
  return isObject(message) ? message['value'] : message;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Whether a status says that no working Directum served the request. */
export function isFault(status: number, body: string): boolean {
  // A 500 with Directum's own words, JSON or plain, concerns one card and is no outage.
  return status > 500 || status === 401 || (status === 500 && (body.trim() === '' || isPage(body)));
}

/**
 * Any other answer than success as a failure (directum.md A.9, A.10; interface.md Error codes). `sent` are the texts of
 * the request, which a refusal may repeat.
 */
export function toFailure(
  status: number,
  body: string,
  { hide, sent }: { hide: (text: string) => string; sent: readonly string[] },
): RobotFailure {
  const found = errorText(body);
  const line = oneLine(found);
  const quoted = line === null ? null : shorten(hide(line), QUOTE);
  const words = withoutData(found ?? '', sent);
  const cause = new DirectumAnswer(status, { quoted, words });
  const fail = (
    code: 'directum_refused' | 'directum_access_denied' | 'directum_locked' | 'directum_unavailable',
    text: LocalText,
  ) => new RobotFailure(code, text, { cause });
  const ru = quoted === null ? `код ответа ${status}` : `«${quoted}»`;
  const en = quoted === null ? `answer code ${status}` : `«${quoted}»`;

  if (status === 401) {
    return fail('directum_unavailable', {
      ru: 'Directum не принял учётную запись сервиса. Администратору: проверьте DIRECTUM_LOGIN и DIRECTUM_PASSWORD и не закрыта ли эта учётная запись.',
      en: "Directum did not accept the service's account. Administrator: check DIRECTUM_LOGIN and DIRECTUM_PASSWORD and that the account is not closed.",
    });
  }
  if (status === 403) {
    return fail('directum_access_denied', {
      ru: `Учётной записи сервиса не хватает прав в Directum: ${ru}. Администратору Directum: выдайте ей права на эти записи.`,
      en: `The service's account lacks rights in Directum: ${en}. Directum administrator: grant it rights to these records.`,
    });
  }
  const locked = [400, 412, 500].includes(status) && saysLocked(words);
  if (locked || status === 409 || status === 423) {
    return fail('directum_locked', {
      ru: `Карточка в Directum занята: ${ru}. Закройте её в Directum и запустите робота снова.`,
      en: `The card is held in Directum: ${en}. Close it in Directum and run the robot again.`,
    });
  }
  if (status >= 500 || status === 429 || status === 408) {
    return fail('directum_unavailable', {
      ru: `Directum не смог выполнить запрос: ${ru}. Повторите позже; если не помогает, обратитесь к администратору Directum.`,
      en: `Directum could not serve the request: ${en}. Repeat later; if that does not help, ask the Directum administrator.`,
    });
  }
  if (status < 400) {
    return fail('directum_unavailable', {
      ru: `Адрес Directum отвечает перенаправлением (${status}). Администратору: укажите в DIRECTUM_URL конечный адрес сервиса интеграции.`,
      en: `The address of Directum answers with a redirect (${status}). Administrator: give DIRECTUM_URL the final address of the integration service.`,
    });
  }
  // A proxy says 404 in a page of its own while Directum is restarted; that must not end a run.
  if (status === 404 && isPage(body)) return badAnswer('a page with 404');
  if (status === 404) {
    return fail('directum_refused', {
      ru: `Directum не нашёл запись или функцию: ${ru}. Проверьте, что она не удалена и доступна учётной записи сервиса.`,
      en: `Directum did not find the record or function: ${en}. Check that it is not deleted and the service's account may use it.`,
    });
  }
  return fail('directum_refused', {
    ru: `Directum отказал: ${ru}. Исправьте данные и запустите робота снова.`,
    en: `Directum refused: ${en}. Mend the data and run the robot again.`,
  });
}

/** The installation does not expose such a set or function (directum.md A.2). */
export function notExposed(name: string): RobotFailure {
  return new RobotFailure('directum_refused', {
    ru: `В сервисе интеграции Directum нет «${name}». Администратору Directum: откройте этот тип для сервиса интеграции или обновите Directum.`,
    en: `The integration service of Directum has no «${name}». Directum administrator: expose this type to the integration service or update Directum.`,
  });
}
