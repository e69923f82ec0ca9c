import type { Request, Response } from 'express';
import { record } from './journal.ts';
import { obey } from './misbehave.ts';
import { ACCESS_SECONDS, rotate } from './tokens.ts';
import type { Fields } from './types.ts';
import { isObject, text } from './wire.ts';
import type { World } from './world.ts';

function answer(world: World, params: Fields): { status: number; body: Fields } {
  const refuse = (error: string, error_description: string, status = 400) => ({
    status,
    body: { error, error_description },
  });
  const grantType = text(params['grant_type']);
  if (grantType === '' || text(params['client_id']) === '') {
    return refuse('invalid_request', 'The request is missing a required parameter');
  }
  if (params['client_id'] !== world.clientId || params['client_secret'] !== world.clientSecret) {
    return refuse('invalid_client', 'The client credentials are invalid');
  }
  if (!world.app.present) return refuse('wrong_client', 'Application is not installed', 200);
  if (grantType !== 'refresh_token') return refuse('bad_verification_code', 'The code is unknown or used');
  if (text(params['refresh_token']) === '') return refuse('invalid_request', 'refresh_token is missing');
  const fresh = rotate(world, text(params['refresh_token']));
  if (fresh === undefined) return refuse('invalid_grant', 'Invalid refresh token');
  return {
    status: 200,
    body: {
      access_token: fresh.pair.accessToken,
      expires: fresh.pair.expires,
      expires_in: ACCESS_SECONDS,
      scope: [...world.scopes].join(','),
      domain: new URL(world.oauthUrl).host,
      server_endpoint: `${world.oauthUrl}/rest/`,
      status: 'L',
      client_endpoint: `${world.url}/rest/`,
      member_id: world.memberId,
      user_id: fresh.userId,
      refresh_token: fresh.pair.refreshToken,
    },
  };
}

/** The vendor's token endpoint, which in life stands on another host. */
export function oauthRoute(world: World) {
  return async (request: Request, response: Response): Promise<void> => {
    const params: Fields = { ...request.query, ...(isObject(request.body) ? request.body : {}) };
    await obey(world, 'oauth.token', request, response, params, async () => {
      const { status, body } = answer(world, params);
      record(world, 'oauth.token', params, status, body['error'], false);
      return { status, body };
    });
  };
}
