import { cut, shorten } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';

/** What kind of trouble an answer of the portal means for the caller. */
export type PortalErrorKind =
  | 'limit'
  | 'operating'
  | 'auth'
  | 'access'
  | 'network'
  | 'server'
  | 'refused'
  | 'gone';

/** A REST call that did not succeed, classified by its code (bitrix24.md A6, H4). Holds no token and no body. */
export class PortalError extends Error {
  override readonly name = 'PortalError';
  readonly code: string;
  readonly status: number | null;
  readonly kind: PortalErrorKind;
  readonly retry: boolean;
  readonly retryAfterMs?: number;
  /** The portal's own words, cut. */
  readonly description: string;

  constructor(facts: {
    code: string;
    status: number | null;
    kind: PortalErrorKind;
    retry: boolean;
    retryAfterMs?: number | undefined;
    description?: string;
    method?: string | undefined;
  }) {
    super(`Bitrix24 ${facts.method ?? 'REST'}: ${facts.code || 'error without a code'}`);
    this.code = facts.code;
    this.status = facts.status;
    this.kind = facts.kind;
    this.retry = facts.retry;
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs;
    this.description = facts.description ?? '';
  }
}

const NO = false;
const YES = true;

/**
 * Whole refusals of the legacy CRM methods, which send an empty code and only a text (bitrix24.md F2, F4): a record's
 * name somewhere in a text is no refusal.
 */
const DENIED = /^(?:[Aa]ccess [Dd]enied|[Дд]оступ запрещ[её]н)(?:$|[.!:,(]| \p{Ll})/u;
const GONE =
  /^(?:(?:the )?(?:[a-z]+ ){0,2}(?:with id '?\d+'? |#\d+ )?(?:is |was )?not found|(?:[а-яё]+ ){0,2}(?:с (?:ид|id) '?\d+'? |№\d+ )?не найден[аоы]?)[.!]?(?:<br ?\/?>)?$/i;

const KINDS: Readonly<Record<string, readonly [PortalErrorKind, boolean]>> = {
  QUERY_LIMIT_EXCEEDED: ['limit', YES],
  // A manual block by the vendor: repeating makes it worse.
  OVERLOAD_LIMIT: ['limit', NO],
  OPERATION_TIME_LIMIT: ['operating', YES],
  EXPIRED_TOKEN: ['auth', YES],
  INVALID_TOKEN: ['auth', YES],
  NO_AUTH_FOUND: ['auth', NO],
  AUTHORIZATION_ERROR: ['auth', NO],
  APPLICATION_NOT_FOUND: ['auth', NO],
  NOT_INSTALLED: ['auth', NO],
  WRONG_CLIENT: ['auth', NO],
  PORTAL_DELETED: ['auth', NO],
  CONNECTION_ERROR: ['network', YES],
  ACCESS_DENIED: ['access', NO],
  INSUFFICIENT_SCOPE: ['access', NO],
  USER_ACCESS_ERROR: ['access', NO],
  WRONG_AUTH_TYPE: ['access', NO],
  WRONG_LICENSE: ['access', NO],
  INVALID_CREDENTIALS: ['access', NO],
  PAYMENT_REQUIRED: ['access', NO],
  METHOD_CONFIRM_DENIED: ['access', NO],
  METHOD_CONFIRM_WAITING: ['access', YES],
  ALLOWED_ONLY_INTRANET_USER: ['access', NO],
  NOT_FOUND: ['gone', NO],
  ERROR_NOT_FOUND: ['gone', NO],
  ERROR_ENTITY_NOT_FOUND: ['gone', NO],
  INTERNAL_SERVER_ERROR: ['server', YES],
  ERROR_UNEXPECTED_ANSWER: ['server', YES],
};

const LIMIT_PAUSE_MS = 1_000;
/** H4: an operating block lasts at least ten seconds; the sum it is made of covers ten minutes. */
const OPERATING_MIN_MS = 10_000;
const OPERATING_MAX_MS = 600_000;

/** `error` of an answer as text: it may be a number, `0`, `""` or an object (H4, H5). */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) return errorCode(error.code);
  return typeof error === 'string' || typeof error === 'number' ? cut(String(error), 100) : '';
}

/** Classifies a refusal of the portal by its code, and by status or text only where there is none (A6, H4). */
export function toPortalError(facts: {
  code: string;
  status: number | null;
  description?: unknown;
  resetAt?: unknown;
  method?: string;
  /** The portal's own clock in unix seconds, as `reset_at` is by it. */
  finishedAt?: unknown;
}): PortalError {
  const description = typeof facts.description === 'string' ? shorten(facts.description, 500) : '';
  const known = KINDS[facts.code.toUpperCase()];
  const [kind, retry] = known ?? guessKind(facts.code, facts.status, description);
  let retryAfterMs: number | undefined;
  if (kind === 'limit' && retry) retryAfterMs = LIMIT_PAUSE_MS;
  if (kind === 'operating') {
    const wait = Number(facts.resetAt) * 1_000 - Number(facts.finishedAt) * 1_000;
    retryAfterMs = Math.min(OPERATING_MAX_MS, Math.max(OPERATING_MIN_MS, Number.isFinite(wait) ? wait : 0));
  }
  return new PortalError({
    code: facts.code,
    status: facts.status,
    kind,
    retry,
    retryAfterMs,
    description,
    ...(facts.method === undefined ? {} : { method: facts.method }),
  });
}

function guessKind(code: string, status: number | null, text: string): readonly [PortalErrorKind, boolean] {
  if (code === '' || code === '0') {
    if (DENIED.test(text.trim())) return ['access', NO];
    if (GONE.test(text.trim())) return ['gone', NO];
  }
  if (status !== null && status >= 500) return ['server', YES];
  return ['refused', NO];
}

/** A refusal of the portal in the words of a robot's user (interface.md, Error codes). */
export function toRobotFailure(error: unknown, log: Log): unknown {
  if (error instanceof RobotFailure || !(error instanceof PortalError)) return error;
  log.warn('portal.refused', { code: error.code, status: error.status, kind: error.kind });
  if (error.kind === 'gone') {
    return new RobotFailure(
      'item_not_found',
      {
        ru: 'Элемент CRM не найден: он удалён или недоступен приложению. Запустите робота на существующем элементе.',
        en: 'The CRM item was not found: it is deleted or hidden from the application. Run the robot on an existing item.',
      },
      { cause: error },
    );
  }
  if (error.kind === 'access' && !error.retry) return denied(error);
  return unavailable(error);
}

/**
 * Why the portal could not vouch for a call yet: it lets nothing through (`isDenied`), or is as good as away. Either may
 * pass, so the run is tried again up to its limit (interface.md §2).
 */
export function unproven(error: PortalError | null, isDenied: boolean, log: Log): RobotFailure {
  log.warn('call.not_proven', { code: error?.code, kind: error?.kind, description: error?.description });
  return isDenied ? denied(error, true) : unavailable(error);
}

function denied(cause: PortalError | null, heals = false): RobotFailure {
  const code = cause?.code;
  return new RobotFailure(
    'portal_access_denied',
    {
      ru: `Портал не дал приложению прочитать данные CRM (${code || 'доступ запрещён'}). Проверьте тариф портала, права приложения и сотрудника, который его установил.`,
      en: `The portal did not let the application read CRM data (${code || 'access denied'}). Check the plan of the portal and the permissions of the application and of the person who installed it.`,
    },
    { cause, heals },
  );
}

function unavailable(cause: PortalError | null): RobotFailure {
  const code = cause?.code;
  return new RobotFailure(
    'portal_unavailable',
    {
      ru: `Не удалось прочитать данные CRM (${code || 'ошибка портала'}). Повторите позже или проверьте установку приложения.`,
      en: `CRM data could not be read (${code || 'an error of the portal'}). Try again later or check the installation of the application.`,
    },
    { cause },
  );
}
