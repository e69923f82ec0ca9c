import { type Installations, isLive, isReady, parseScopes } from '../auth/installation.ts';
import type { Prover } from '../auth/proof.ts';
import { type TokenPair, toExpiry } from '../auth/tokens.ts';
import { isRecord, toLanguage, toOrigin, toText } from '../rest/values.ts';
import { MEMBER } from './events.ts';
import type { Installer } from './install.ts';
import { renderCalmPage, renderInstallPage, renderRefusal } from './install-page.ts';

export type OpenPage = (query: unknown, body: unknown) => Promise<{ status: number; html: string }>;

/**
 * The page that an administrator installs the application by, and that anybody may open later (bitrix24.md A1, A2).
 * An administrator's opening installs again; everybody else is told whether the application works.
 */
export function createPageOpener(options: {
  installer: Installer;
  installations: Installations;
  prover: Prover;
  /** What an employee who opens the application is told of Directum. */
  isDirectumDown: () => boolean;
  now: () => Date;
}): OpenPage {
  const { installer, installations, prover } = options;

  return async function openPage(query, body) {
    const page = parsePage(query, body, options.now());
    const asked = page?.language ?? (isRecord(query) ? toText(query['LANG']) : null);
    const language = toLanguage(asked ?? 'en');
    const known = page === null ? undefined : installations.get(page.memberId);
    const refused = (reason: string) => ({
      status: 403,
      html: renderRefusal(language, reason, known !== undefined),
    });
    if (page === null) return refused('unreadable');
    if (installer.isForeign(page.tokens)) return refused('oauth_server_not_listed');
    const proof = await prover.prove(page);
    if (!proof.ok) {
      if (proof.reason !== 'not_an_administrator' || !isLive(known)) return refused(proof.reason);
      const health = { portal: isReady(known), directum: !options.isDirectumDown() };
      return { status: 200, html: renderCalmPage(language, health) };
    }
    if (page.tokens === null) return refused('no_refresh_token');
    const arrival = { ...page, language: proof.language ?? page.language };
    const { failures, missingScopes, notes } = await installer.install('page', arrival, proof);
    const html = renderInstallPage({
      language,
      failures: failures.map((failure) => failure[language]),
      missingScopes,
      notes: notes.map((note) => note[language]),
      finished: proof.finished,
      again: isLive(known) && proof.finished,
      directumAway: options.isDirectumDown(),
    });
    return { status: 200, html };
  };
}

/** A page of ours opened in the portal's frame (bitrix24.md A2). Nothing in it is signed. */
interface PageOpening {
  memberId: string;
  origin: string | null;
  accessToken: string;
  tokens: TokenPair | null;
  applicationToken: string | null;
  scopes: string[];
  language: string;
}

/**
 * Reads the POST of an opened page; null when it is none (bitrix24.md A2). What belongs into the query is also taken
 * from the body: nothing of either is believed before the proof.
 */
function parsePage(query: unknown, body: unknown, now: Date): PageOpening | null {
  if (!isRecord(query) || !isRecord(body)) return null;
  const memberId = toText(body['member_id']) ?? '';
  const access = toText(body['AUTH_ID']) ?? '';
  if (!MEMBER.test(memberId) || access === '' || access.length > 4_096) return null;
  const refresh = toText(body['REFRESH_ID']) ?? '';
  const named = (name: string) => toText(query[name]) || toText(body[name]) || '';
  const domain = named('DOMAIN');
  const scheme = named('PROTOCOL') === '0' ? 'http' : 'https';
  return {
    memberId,
    // The whole authority or nothing: a path or user name in DOMAIN is no domain.
    origin: /^[\w.-]+(:\d{1,5})?$/.test(domain) ? toOrigin(`${scheme}://${domain}`) : null,
    accessToken: access,
    tokens:
      refresh === ''
        ? null
        : {
            access,
            refresh,
            expiresAt: toExpiry(undefined, body['AUTH_EXPIRES'], now),
            userId: null,
            serverOrigin: toOrigin(body['SERVER_ENDPOINT']),
          },
    applicationToken: toText(body['APPLICATION_TOKEN']) || null,
    scopes: parseScopes(body['APPLICATION_SCOPE']),
    language: named('LANG') || 'en',
  };
}
