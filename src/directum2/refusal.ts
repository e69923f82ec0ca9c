import { type ErrorCode, RobotFailure } from '../robot/failure.ts';

const MAX_QUOTE = 250;
const LOCK = /заблокирован|locked/i;

/** The text of an error answer, whatever its shape (directum.md A.9); plain, cut, on one line. */
export function readErrorText(body: string): string {
  let text = body;
  try {
    const parsed: unknown = JSON.parse(body);
    const error = isRecord(parsed) ? parsed['error'] : parsed;
    const message = isRecord(error) ? error['message'] : error;
    const value = isRecord(message) ? message['value'] : message;
    if (typeof value === 'string') text = value;
  } catch {
    // Not JSON: the raw text is all there is.
  }
  const plain = text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return plain.length > MAX_QUOTE ? `${plain.slice(0, MAX_QUOTE)}…` : plain;
}

/** An error answer of Directum as a failure of the robot (directum.md A.9, A.10). */
export function toFailure(status: number, body: string): RobotFailure {
  const quote = readErrorText(body);
  if (status === 401) {
    return unavailable(
      'Directum не принимает логин и пароль пакета. Проверьте DIRECTUM_LOGIN и DIRECTUM_PASSWORD.',
      'Directum does not take the login and password of the package. Check DIRECTUM_LOGIN and DIRECTUM_PASSWORD.',
    );
  }
  if ([400, 409, 412, 423, 500].includes(status) && LOCK.test(quote)) {
    return make(
      'directum_locked',
      `Карточка в Directum открыта другим пользователем: «${quote}». Закройте карточку и повторите.`,
      `The card is open by someone in Directum: «${quote}». Close the card and repeat.`,
    );
  }
  if (status === 403) {
    return make(
      'directum_access_denied',
      `У учётной записи пакета нет прав в Directum: «${quote}». Попросите администратора Directum выдать права.`,
      `The account of the package lacks rights in Directum: «${quote}». Ask the administrator of Directum for rights.`,
    );
  }
  if (status >= 500 || status === 429 || (status >= 300 && status < 400)) {
    return unavailable(
      `Directum сейчас не отвечает (код ${status}). Повторите позже или сообщите администратору Directum.`,
      `Directum does not answer now (code ${status}). Repeat later or tell the administrator of Directum.`,
    );
  }
  return refused(quote || `HTTP ${status}`);
}

/** Directum's own validation text. */
export function refused(quote: string): RobotFailure {
  return make(
    'directum_refused',
    `Directum отказал: «${quote}». Исправьте данные и повторите.`,
    `Directum refused: «${quote}». Mend the data and repeat.`,
  );
}

export function unavailable(ru: string, en: string, cause?: unknown): RobotFailure {
  return make('directum_unavailable', ru, en, cause);
}

export function unreachable(cause: unknown): RobotFailure {
  return unavailable(
    'Directum не отвечает. Повторите позже или сообщите администратору Directum.',
    'Directum does not answer. Repeat later or tell the administrator of Directum.',
    cause,
  );
}

function make(code: ErrorCode, ru: string, en: string, cause?: unknown): RobotFailure {
  return new RobotFailure(code, { ru, en }, { cause });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
