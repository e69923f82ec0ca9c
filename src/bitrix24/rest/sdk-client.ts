import { AjaxError, ApiVersion, B24OAuth, EnumAppStatus } from '@bitrix24/b24jssdk';
import { parseJson } from '../../lib/text.ts';
import { toJsonBody } from './file-content.ts';
import type { Outbound } from './outbound.ts';
import { errorCode, PortalError, toPortalError } from './portal-error.ts';
import { isRecord } from './values.ts';

/** The portal moved: nothing was done, and `location` says where the same POST belongs (bitrix24.md A10). */
export class PortalMoved extends Error {
  override readonly name = 'PortalMoved';
  readonly location: string;

  constructor(location: string) {
    super('The portal answered with another address');
    this.location = location;
  }
}

/** One REST hit with one access token, answered with the raw `result`. */
export interface SdkClient {
  readonly origin: string;
  readonly access: string;
  call(method: string, params: Record<string, unknown>): Promise<unknown>;
}

const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** A body that carries a file may take longer, but no slower line than of two megabits a second. */
const LEAST_BYTES_PER_MS = 250;
const FAR_FUTURE = Date.UTC(9999, 0) / 1_000;

/**
 * b24jssdk's client for one token at one address, kept from doing on its own what is ours to decide: it follows no
 * redirect, repeats nothing, waits for no limiter of its own, refreshes nothing and logs nothing.
 */
export function createSdkClient(options: {
  origin: string;
  access: string;
  timeoutMs: number;
  agents: Outbound['agents'];
}): SdkClient {
  const { origin, access } = options;
  const sdk = new B24OAuth(
    {
      applicationToken: '',
      userId: 0,
      memberId: '',
      accessToken: access,
      refreshToken: '',
      // The portal says when a token is over (A5); a date in the past would make the SDK refresh by clock.
      expires: FAR_FUTURE,
      expiresIn: 3_600,
      scope: '',
      domain: new URL(origin).host,
      // A trailing slash would give `/rest//method`.
      clientEndpoint: `${origin}/rest`,
      serverEndpoint: origin,
      status: EnumAppStatus.Local,
    },
    { clientId: '', clientSecret: '' },
    {
      restrictionParams: {
        // It drains by the wall clock: a high rate would let nothing through after that was set back.
        rateLimit: { burstLimit: Number.MAX_SAFE_INTEGER, drainRate: 1, adaptiveEnabled: false },
        operatingLimit: { windowMs: 600_000, limitMs: Number.MAX_SAFE_INTEGER, heavyPercent: 100 },
        adaptiveConfig: { enabled: false, thresholdPercent: 100, coefficient: 0, maxDelay: 0 },
        maxRetries: 1,
        retryDelay: 0,
        retryOnNetworkError: false,
      },
    },
  );
  sdk.setCustomRefreshAuth(() => Promise.reject(new Error('Tokens are renewed by the token keeper only')));
  const http = sdk.getHttpClient(ApiVersion.v2);
  const axios = http.ajaxClient;
  axios.defaults.maxRedirects = 0;
  // Agents that say themselves which way requests go: then it does not look at HTTP_PROXY and its kin.
  Object.assign(axios.defaults, options.agents);
  axios.defaults.maxContentLength = MAX_ANSWER_BYTES;
  // Its own would parse the text again to trim it.
  axios.defaults.transformRequest = (data: unknown) => data;
  axios.defaults.transformResponse = toData;
  axios.interceptors.request.use((request) => {
    const body = toJsonBody(request.data);
    request.headers.setContentType('application/json');
    let timeout = options.timeoutMs;
    if (typeof body !== 'string') {
      request.headers.setContentLength(body.length);
      timeout += Math.ceil(body.length / LEAST_BYTES_PER_MS);
    }
    return Object.assign(request, {
      // What it adds to the address is no parameter of the portal's methods (F).
      url: (request.url ?? '').replace(/\?.*$/, ''),
      data: typeof body === 'string' ? body : body.stream,
      // Its own time limit begins anew with every byte, so a body that arrives very slowly would never end.
      timeout,
      signal: AbortSignal.timeout(timeout),
    });
  });
  // Every answer reaches `inspect`: the SDK itself loses empty codes and takes HTML for a result.
  axios.defaults.validateStatus = () => true;
  axios.interceptors.response.use((response) => {
    inspect(response.status, response.data, response.headers);
    // Its limiter fails without `time` and would sleep by it.
    response.data = { result: response.data.result, time: {} };
    return response;
  });

  return {
    origin,
    access,
    async call(method, params) {
      const began = performance.now();
      try {
        const answer = await http.call(method, params);
        const result: unknown = answer.getData()?.result;
        return result;
      } catch (error) {
        throw toOwnError(error, method, performance.now() - began >= options.timeoutMs);
      }
    },
  };
}

/** The answer's JSON without what cannot be kept; a text that is none stays one, which `inspect` refuses. */
function toData(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** Throws unless the answer is JSON with a result; the presence of `error` decides, not its truth (H4). */
function inspect(status: number, data: unknown, headers: Record<string, unknown>): void {
  if (status >= 300 && status < 400) {
    const location = headers['location'];
    if (typeof location === 'string') throw new PortalMoved(location);
    throw unreadable(status);
  }
  if (!isRecord(data)) throw unreadable(status);
  if ('error' in data) {
    const time = isRecord(data['time']) ? data['time'] : {};
    throw toPortalError({
      code: errorCode(data['error']),
      status,
      description: data['error_description'],
      resetAt: time['operating_reset_at'] ?? data['operating_reset_at'],
      finishedAt: time['finish'] ?? Date.parse(String(headers['date'])) / 1_000,
    });
  }
  if (status >= 400 || !('result' in data)) throw unreadable(status);
}

/** Not JSON of the REST interface: a proxy's page, a deleted portal's page, a cut answer. */
function unreadable(status: number): PortalError {
  const retry = status >= 500 || status === 200 || status === 408 || status === 429;
  return new PortalError({ code: `HTTP_${status}`, status, kind: 'server', retry });
}

function toOwnError(error: unknown, method: string, late: boolean): PortalError | PortalMoved {
  const cause = error instanceof AjaxError && 'originalError' in error ? error.originalError : error;
  if (cause instanceof PortalError || cause instanceof PortalMoved) return cause;
  // What is left never got an answer: the SDK names it NETWORK_ERROR, ECONNREFUSED …
  const named = error instanceof AjaxError ? String(error.code) : 'NETWORK_ERROR';
  const code = late ? 'REQUEST_TIMEOUT' : named;
  return new PortalError({ code, status: null, kind: 'network', retry: true, method });
}
