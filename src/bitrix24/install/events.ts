import { parseScopes } from '../auth/installation.ts';
import { parseTokens, type TokenPair } from '../auth/tokens.ts';
import { REFRESH_ACTION } from '../deal/activity-card.ts';
import { isRecord, toOrigin, toText } from '../rest/values.ts';

/** ONAPPINSTALL, ONAPPUPDATE, ONAPPUNINSTALL or any later event (bitrix24.md A3, G2). */
export interface PortalEvent {
  /** Upper-cased: some pages of the portal print mixed case. */
  event: string;
  memberId: string;
  applicationToken: string | null;
  /** Origin the sender claims; nothing is sent there unless it is listed. */
  origin: string | null;
  accessToken: string | null;
  tokens: TokenPair | null;
  scopes: string[];
  language: string | null;
  /** ONAPPUNINSTALL: the administrator asked to wipe settings. */
  clean: boolean;
  data: Record<string, unknown>;
}

/** What a `member_id` looks like. */
export const MEMBER = /^[\w-]{1,64}$/;

/** Reads an event form; null when it is none (bitrix24.md A3, G2). Unknown fields are ignored. */
export function parseEvent(form: unknown, now: Date): PortalEvent | null {
  if (!isRecord(form) || !isRecord(form['auth'])) return null;
  const auth = form['auth'];
  const event = toText(form['event'])?.toUpperCase() ?? '';
  const memberId = toText(auth['member_id']) ?? '';
  if (!/^[A-Z0-9_:\\]{1,100}$/.test(event) || !MEMBER.test(memberId)) return null;
  const data = isRecord(form['data']) ? form['data'] : {};
  return {
    event,
    memberId,
    applicationToken: toText(auth['application_token']) || null,
    origin: toOrigin(auth['client_endpoint']),
    accessToken: toText(auth['access_token']) || null,
    tokens: parseTokens(auth, now),
    scopes: parseScopes(auth['scope']),
    language: toText(data['LANGUAGE_ID']) || null,
    clean: ['1', 'Y', 'true'].includes(toText(data['CLEAN']) ?? ''),
    data,
  };
}

/** Somebody wants to see the newest state of a document. */
export interface RefreshAsked {
  memberId: string;
  documentId: number;
}

const NESTED = new Set(['fields', 'actionparams', 'params']);

/**
 * The click on "refresh now" in an event, else null (bitrix24.md F8, G2). The page names what comes back and not
 * where, so keys are read in any case, beside the context or one level deeper.
 */
export function toRefresh({ event, memberId, data }: PortalEvent): RefreshAsked | null {
  if (event !== 'ONCRMTIMELINEITEMACTION') return null;
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(data).slice(0, 100)) {
    const inner = NESTED.has(key.toLowerCase()) && isRecord(value) ? Object.entries(value).slice(0, 100) : [];
    for (const [name, one] of [[key, value] as const, ...inner]) {
      const read = toText(one);
      if (read !== null) values.set(name.toLowerCase(), read);
    }
  }
  const digits = values.get('documentid') ?? '';
  const documentId = Number(digits);
  if (values.get('id') !== REFRESH_ACTION || !/^\d{1,15}$/.test(digits) || documentId === 0) return null;
  return { memberId, documentId };
}

/** True for a form that carries an event rather than a page opening. */
export function isEventForm(form: unknown): boolean {
  return isRecord(form) && typeof form['event'] === 'string' && form['event'] !== '';
}
