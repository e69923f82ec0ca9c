/** A text in both languages that portal users read. */
export interface LocalText {
  ru: string;
  en: string;
}

export type Language = keyof LocalText;

/** Every `error_code` a robot may answer with (contract/interface.md §3). */
export type ErrorCode =
  | 'input_missing'
  | 'input_invalid'
  | 'item_unsupported'
  | 'item_not_found'
  | 'portal_access_denied'
  | 'portal_unavailable'
  | 'reference_not_found'
  | 'reference_ambiguous'
  | 'employee_not_found'
  | 'counterparty_missing'
  | 'requisites_invalid'
  | 'counterparty_ambiguous'
  | 'counterparty_closed'
  | 'file_unusable'
  | 'document_not_found'
  | 'rule_not_found'
  | 'document_not_signed'
  | 'document_not_approvable'
  | 'approval_unavailable'
  | 'directum_refused'
  | 'directum_access_denied'
  | 'directum_locked'
  | 'directum_unavailable'
  | 'rejected'
  | 'not_signed'
  | 'deleted'
  | 'expired'
  | 'cancelled'
  | 'internal_error';

/** Codes whose cause may pass by itself wherever they come from. */
const HEALING: ReadonlySet<ErrorCode> = new Set([
  'portal_unavailable',
  'directum_locked',
  'directum_unavailable',
]);

/**
 * Why a robot could not do its work, in words for the person who placed it: one sentence what happened, one
 * what to do. Adapters throw it too; whatever else is thrown becomes `internal_error`.
 */
export class RobotFailure extends Error {
  override readonly name = 'RobotFailure';
  readonly code: ErrorCode;
  readonly text: LocalText;
  /** Outputs that were known when it failed; sent along with the error. */
  readonly known: Record<string, unknown>;
  /** Its cause may pass by itself, so the run is tried again until its limit. */
  readonly heals: boolean;

  constructor(
    code: ErrorCode,
    text: LocalText,
    options: { cause?: unknown; known?: Record<string, unknown>; heals?: boolean } = {},
  ) {
    super(`${code}: ${text.en}`);
    this.code = code;
    this.text = text;
    this.known = options.known ?? {};
    this.heals = options.heals ?? HEALING.has(code);
    // Raw causes may hold addresses and tokens, so no serializer may walk into them.
    Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }

  /** The same failure with outputs that were already known when it happened. */
  withKnown(known: Record<string, unknown>): RobotFailure {
    const { cause, heals } = this;
    return new RobotFailure(this.code, this.text, { cause, heals, known: { ...known, ...this.known } });
  }

  /** The same failure, said of a field of the robot by its title. */
  about(field: LocalText): RobotFailure {
    const begun = (text: string) => text.replace(/^\p{Lu}(?=[\p{Ll} ])/u, (letter) => letter.toLowerCase());
    const text = {
      ru: `«${field.ru}»: ${begun(this.text.ru)}`,
      en: `«${field.en}»: ${begun(this.text.en)}`,
    };
    const { cause, heals, known } = this;
    return new RobotFailure(this.code, text, { cause, heals, known });
  }
}

/** Does work whose failure is told together with the outputs known before it. */
export async function knowing<T>(known: Record<string, unknown>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof RobotFailure ? error.withKnown(known) : error;
  }
}
