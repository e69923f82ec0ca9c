import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Installation, InstallationStore } from '../../src/bitrix24/auth/installation.ts';
import { createPortals } from '../../src/bitrix24/portals.ts';
import type { RobotRegistration } from '../../src/bitrix24/registration/registration.ts';
import type { CallProof } from '../../src/bitrix24/robots/call-proof.ts';
import type { LocksPort } from '../../src/robot/ports/locks.ts';
import type { Log } from '../../src/robot/ports/log.ts';

export class Refusal extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, body: unknown) {
    super('refusal');
    this.status = status;
    this.body = body;
  }
}

export const refuse = (error: unknown, status = 400, error_description = ''): never => {
  throw new Refusal(status, { error, error_description });
};

// biome-ignore lint/suspicious/noExplicitAny: parameters of any method, read by tests only
export type Params = Record<string, any>;
export type Methods = Record<string, (params: Params, token: string) => unknown>;

/** A tiny portal and OAuth server: what a test needs to say, at the HTTP edge. */
export async function fakePortal(
  methods: Methods,
  raw?: (req: IncomingMessage, res: ServerResponse, body: string) => boolean,
) {
  const hits: { method: string; params: Params; token: string }[] = [];
  const oauth: {
    refresh: (form: URLSearchParams) => { status?: number; body: unknown };
    asked: URLSearchParams[];
  } = {
    refresh: () => ({ status: 400, body: { error: 'invalid_grant' } }),
    asked: [],
  };
  function run(method: string, params: Params, token: string): unknown {
    const handler = methods[method];
    if (handler === undefined) return refuse('ERROR_METHOD_NOT_FOUND', 404, 'Method not found!');
    return handler(params, token);
  }
  function batch(cmd: Record<string, string>, token: string) {
    const result: Params = {};
    const errors: Params = {};
    for (const [key, text] of Object.entries(cmd)) {
      const [method = '', query = ''] = text.split('?');
      try {
        const params = parseQuery(query, (value) =>
          value.replace(/\$result((?:\[[^\]]+\])+)/g, (_, path: string) => {
            // biome-ignore lint/suspicious/noExplicitAny: any value on the way
            let at: any = result;
            for (const [, step] of path.matchAll(/\[([^\]]+)\]/g)) at = at?.[step as string];
            if (at === undefined || at === null || at === 0 || at === '0') refuse('', 400, 'empty reference');
            return String(at);
          }),
        );
        result[key] = run(method, params, token);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        errors[key] = error.body;
      }
    }
    const map = (from: Params) => (Object.keys(from).length === 0 ? [] : from);
    return { result: map(result), result_error: map(errors), result_time: [] };
  }
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const part of req) body += part;
    if (raw?.(req, res, body)) return;
    const url = new URL(req.url ?? '/', 'http://portal');
    const answer = (status: number, content: unknown) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
    if (url.pathname === '/oauth/token/') {
      const form = new URLSearchParams(body);
      oauth.asked.push(form);
      const { status = 200, body: content } = oauth.refresh(form);
      return answer(status, content);
    }
    const method = url.pathname.replace('/rest/', '');
    const { auth, ...params } = JSON.parse(body || '{}');
    hits.push({ method, params, token: auth });
    try {
      const result =
        method === 'batch' && methods['batch'] === undefined
          ? batch(params.cmd, auth)
          : await run(method, params, auth);
      return answer(200, { result, time: { start: 1, operating: 0 } });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return answer(error.status, error.body);
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    hits,
    oauth,
    methods,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function parseQuery(query: string, resolve: (value: string) => string): Params {
  const params: Params = {};
  for (const pair of query.split('&').filter(Boolean)) {
    const [name = '', value = ''] = pair.split('=').map(decodeURIComponent);
    const path = name.replaceAll(']', '').split('[');
    let at = params;
    for (const step of path.slice(0, -1)) at = at[step] ??= {};
    at[path.at(-1) as string] = resolve(value);
  }
  return params;
}

/** The proof of a call that the portal has accepted before. */
export const PROVEN: CallProof = {
  isAccepted: () => true,
  isForged: () => false,
  commands: () => ({}),
  readAnswers: async () => undefined,
  demand: async () => undefined,
};

export const MEMBER = '7d3b0c5ae1f94c2d8e6a5b4c3d2e1f00';
export const CLIENT = 'local.64f0a1b2c3d4e5.12345678';
export const APP_TOKEN = '1b2c3d4e5f60718293a4b5c6d7e8f901';

export const robots: RobotRegistration[] = [
  {
    code: 'directum_create_contract',
    fields: { NAME: { ru: 'Создать', en: 'Create' }, USE_SUBSCRIPTION: 'Y' },
  },
  { code: 'directum_wait_signature', fields: { NAME: { ru: 'Ждать', en: 'Wait' }, USE_SUBSCRIPTION: 'Y' } },
];

/** Everything a test of the portal side needs, with every log line kept. */
export function bench(
  portal: { origin: string },
  extra: { portals?: string[]; oauthServers?: string[]; timeoutMs?: number } = {},
) {
  const stored = new Map<string, Installation>();
  const store: InstallationStore = {
    get: async (id) => structuredClone(stored.get(id)),
    set: async (id, value) => void stored.set(id, structuredClone(value)),
    list: async () => structuredClone([...stored.values()]),
  };
  const lines: string[] = [];
  const write = (event: string, facts?: Record<string, unknown>) =>
    void lines.push(JSON.stringify([event, facts]));
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const taken: [string, string][] = [];
  const penalties: number[] = [];
  const clock = { now: new Date('2026-09-01T10:00:00Z') };
  const metrics: { method: string; error?: string }[] = [];
  const portals = createPortals({
    config: {
      portals: extra.portals ?? [portal.origin],
      oauthServers: extra.oauthServers ?? [portal.origin],
      clientId: CLIENT,
      clientSecret: 'client-secret-canary',
      publicUrl: 'https://directum.example',
    },
    store,
    locks: memoryLocks(),
    portalRate: {
      take: async (id, asked) => void taken.push([id, typeof asked === 'string' ? asked : asked.priority]),
      penalize: async (_, ms) => void penalties.push(ms),
    },
    robots: () => robots,
    now: () => clock.now,
    log,
    onRequest: (facts) => void metrics.push(facts),
    ...(extra.timeoutMs === undefined ? {} : { timeoutMs: extra.timeoutMs }),
  });
  return { ...portals, stored, store, lines, log, taken, penalties, clock, metrics };
}

export function memoryLocks(isHeld = () => true): LocksPort {
  const tails = new Map<string, Promise<unknown>>();
  return {
    hold(key, work) {
      const begin = () => work({ isHeld });
      const mine = (tails.get(key) ?? Promise.resolve()).then(begin, begin);
      tails.set(key, mine);
      return mine;
    },
  };
}

export function pair(portal: { origin: string }, access = 'access-1', userId = 1) {
  const expiresAt = '2026-09-01T11:00:00.000Z';
  return { access, refresh: `refresh-of-${access}`, expiresAt, userId, serverOrigin: portal.origin };
}

export function installation(portal: { origin: string }, change: Partial<Installation> = {}): Installation {
  return {
    memberId: MEMBER,
    origin: portal.origin,
    portalKey: MEMBER,
    applicationToken: APP_TOKEN,
    state: 'active',
    language: 'ru',
    scopes: [],
    installerUserId: 1,
    tokens: pair(portal),
    spares: {},
    registered: {},
    version: 1,
    ...change,
  };
}

export async function installed(portal: { origin: string }, change: Partial<Installation> = {}, extra = {}) {
  const made = bench(portal, extra);
  made.stored.set(MEMBER, installation(portal, change));
  await made.installations.load();
  return made;
}
