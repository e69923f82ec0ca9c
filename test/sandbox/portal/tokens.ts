import type { Fields } from './types.ts';
import { type Call, RestError, text } from './wire.ts';
import { domainOf, type Grant, hex, isActive, isAdmin, type World } from './world.ts';

export const ACCESS_SECONDS = 3600;
const REFRESH_SECONDS = 180 * 24 * 3600;

export interface Pair {
  accessToken: string;
  refreshToken: string;
  expires: number;
}

export function issueTokens(world: World, userId: number, application = world.clientId): Pair {
  const expiresAt = world.now().getTime() + ACCESS_SECONDS * 1000;
  const accessToken = `${hex(4)}007f${hex(28)}`;
  const refreshToken = `${hex(4)}a67f${hex(28)}`;
  world.access.set(accessToken, {
    userId,
    context: 'app',
    application,
    scopes: [...world.scopes],
    expiresAt,
    refreshToken,
  });
  world.refresh.set(refreshToken, {
    userId,
    accessToken,
    expiresAt: world.now().getTime() + REFRESH_SECONDS * 1000,
  });
  return { accessToken, refreshToken, expires: Math.floor(expiresAt / 1000) };
}

/** Refreshing a pair kills both halves of it. */
export function rotate(world: World, refreshToken: string): { pair: Pair; userId: number } | undefined {
  const known = world.refresh.get(refreshToken);
  if (known === undefined || known.expiresAt < world.now().getTime()) return undefined;
  world.refresh.delete(refreshToken);
  world.access.delete(known.accessToken);
  return { pair: issueTokens(world, known.userId), userId: known.userId };
}

/** The `auth` block of events and robot calls; without a user it has no tokens. */
export function authBlock(world: World, userId: number | undefined, refresh: boolean): Fields {
  const common = { domain: domainOf(world), member_id: world.memberId };
  const key = { application_token: world.applicationToken };
  if (userId === undefined || !world.users.has(userId)) return { ...common, ...key };
  const pair = issueTokens(world, userId);
  return {
    access_token: pair.accessToken,
    expires: pair.expires,
    expires_in: ACCESS_SECONDS,
    scope: [...world.scopes].join(','),
    domain: common.domain,
    server_endpoint: `${world.oauthUrl}/rest/`,
    status: 'L',
    client_endpoint: `${world.url}/rest/`,
    member_id: world.memberId,
    user_id: userId,
    ...(refresh ? { refresh_token: pair.refreshToken } : {}),
    ...key,
  };
}

/** Which token the request carries: Bearer, `auth` or `access_token`. */
export function tokenOf(header: string | undefined, params: Fields): string {
  const bearer = /^Bearer\s+(\S+)/i.exec(header ?? '')?.[1];
  return bearer ?? text(params['auth'] || params['access_token']);
}

export function grantOf(world: World, token: string): Grant {
  if (token === '') throw new RestError(401, 'NO_AUTH_FOUND', 'Wrong authorization data');
  const grant = world.access.get(token);
  if (grant === undefined) {
    if (!world.app.present) throw new RestError(401, 'APPLICATION_NOT_FOUND', 'Application not found');
    throw new RestError(401, 'invalid_token', 'Unable to get application by token');
  }
  if (grant.context === 'app' && !world.app.present) {
    throw new RestError(401, 'APPLICATION_NOT_FOUND', 'Application not found');
  }
  if (grant.expiresAt <= world.now().getTime()) {
    throw new RestError(401, 'expired_token', 'The access token provided has expired.');
  }
  if (!isActive(world, grant.userId)) {
    throw new RestError(401, 'authorization_error', 'Unable to authorize user');
  }
  if (grant.context === 'app' && world.noApp.has(grant.userId) && !isAdmin(world, grant.userId)) {
    throw new RestError(403, 'user_access_error', 'The user does not have access to the application.');
  }
  return grant;
}

export function demandScope(grant: Grant, scopes: readonly string[] | undefined): void {
  if (scopes === undefined || scopes.some((scope) => grant.scopes.includes(scope))) return;
  throw new RestError(
    401,
    'insufficient_scope',
    'The request requires higher privileges than provided by the access token',
  );
}

export const userOf = (call: Call): number => call.grant.userId;
