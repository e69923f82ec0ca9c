import type { Request, Response } from 'express';
import { runBatch } from './batch.ts';
import { record } from './journal.ts';
import { obey } from './misbehave.ts';
import { operate, operatingOf, secondsToReset } from './operating.ts';
import { demandScope, grantOf, tokenOf } from './tokens.ts';
import type { Fields } from './types.ts';
import { isObject, type Methods, type Reply, RestError, text, upperKeys } from './wire.ts';
import { type Grant, isAdmin, type World } from './world.ts';

export interface Rate {
  perSecond: number;
  bucket: number;
}

/** Counts hits per source address in real time: the caller's limiter sleeps in real time too. */
export function leakyBucket(rate: Rate): (address: string) => boolean {
  const levels = new Map<string, { level: number; at: number }>();
  return (address) => {
    const at = performance.now();
    const known = levels.get(address) ?? { level: 0, at };
    const level = Math.max(0, known.level - ((at - known.at) / 1000) * rate.perSecond);
    const fits = level + 1 <= rate.bucket;
    levels.set(address, { level: fits ? level + 1 : level, at });
    return fits;
  };
}

export function timeBlock(world: World, method: string, started: number): Fields {
  const finish = Date.now() / 1000;
  const start = started / 1000;
  return {
    start,
    finish,
    duration: finish - start,
    processing: finish - start,
    date_start: new Date(started).toISOString().replace('Z', '+00:00'),
    date_finish: new Date().toISOString().replace('Z', '+00:00'),
    operating_reset_at: Math.floor(finish) + secondsToReset(world, method),
    operating: method === 'batch' ? 0 : operatingOf(world, method),
  };
}

export interface Invocation {
  method: string;
  params: Fields;
  token: string;
  grant: Grant;
  viaBatch: boolean;
}

const READS = /(^|\.)(get|list|fields|getfields|info|current|admin|profile|scope|methods|instances)$/;

/** Whether a call changes something; the empty message that proves a token writes nothing (bitrix24.md D3). */
function isWrite({ method, params }: Invocation): boolean {
  if (READS.test(method) || method === 'bizproc.event.send') return false;
  return method !== 'bizproc.activity.log' || text(upperKeys(params)['LOG_MESSAGE']) !== '';
}

/** Refuses a method by name for as long as the test wants; `batch` is one of them. */
function demandAllowed(world: World, method: string): void {
  if (world.misbehave.documents.moduleOff && method.startsWith('crm.documentgenerator.')) {
    throw new RestError(400, '0', 'Module documentgenerator is not installed');
  }
  const refusal = world.misbehave.refused.get(method);
  if (refusal === undefined) return;
  throw new RestError(refusal.status ?? 400, refusal.error, refusal.description ?? 'Refused');
}

/** Runs one method after the checks every method has. */
export async function invoke(world: World, methods: Methods, call: Invocation): Promise<Reply> {
  const method = methods[call.method];
  if (method === undefined || world.misbehave.missingMethods.has(call.method)) {
    throw new RestError(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');
  }
  demandAllowed(world, call.method);
  if (world.misbehave.refuseWrites && isWrite(call)) {
    world.misbehave.refusedWrites++;
    throw new RestError(403, 'ACCESS_DENIED', 'Access denied.');
  }
  operate(world, call.method);
  demandScope(call.grant, method.scope);
  if (method.app === true && call.grant.context !== 'app') {
    throw /^(event|placement)\./.test(call.method)
      ? new RestError(403, 'WRONG_AUTH_TYPE', 'Current authorization type is denied for this method')
      : new RestError(403, 'ACCESS_DENIED', 'Access denied! Application context required');
  }
  if (method.admin === true && !isAdmin(world, call.grant.userId)) {
    const words = call.method.startsWith('crm.automation') ? ' Admin permissions required' : '';
    throw new RestError(403, 'ACCESS_DENIED', `Access denied!${words}`);
  }
  return method.run(call);
}

export const errorBody = (error: RestError): Fields => ({
  error: error.code,
  error_description: error.message,
  ...error.extra,
});

export const asRestError = (error: unknown): RestError =>
  error instanceof RestError ? error : new RestError(500, 'INTERNAL_SERVER_ERROR', String(error));

/** Route of everything under /rest/. */
export function restRoute(world: World, methods: Methods, rate: Rate) {
  const take = leakyBucket(rate);

  const answer = async (method: string, params: Fields, header: string | undefined, address: string) => {
    const started = Date.now();
    try {
      const token = tokenOf(header, params);
      const grant = grantOf(world, token);
      if (!take(address)) throw new RestError(503, 'QUERY_LIMIT_EXCEEDED', 'Too many requests');
      const call = { method, params, token, grant, viaBatch: false };
      if (method === 'batch') demandAllowed(world, method);
      const reply =
        method === 'batch' ? await runBatch(world, methods, call) : await invoke(world, methods, call);
      record(world, method, params, 200, undefined, false);
      return { status: 200, body: { ...reply, time: timeBlock(world, method, started) } };
    } catch (thrown) {
      const error = asRestError(thrown);
      record(world, method, params, error.status, error.code, false);
      const time = error.status === 429 ? { time: timeBlock(world, method, started) } : {};
      return { status: error.status, body: { ...errorBody(error), ...time } };
    }
  };

  return async (request: Request, response: Response): Promise<void> => {
    const parts = request.path
      .replace(/^\/rest\//, '')
      .replace(/\/$/, '')
      .split('/');
    const method = (parts.at(-1) ?? '').replace(/\.json$/, '').toLowerCase();
    const params: Fields = { ...request.query, ...(isObject(request.body) ? request.body : {}) };
    if (parts.length === 3) params['auth'] ??= `webhook:${parts[0]}:${parts[1]}`;
    if (world.misbehave.portalDeleted) {
      record(world, method, params, 404, 'PORTAL_DELETED', false);
      response.status(404).type('html').send('<!DOCTYPE html><title>Bitrix24</title><h1>portal404</h1>');
      return;
    }
    await obey(world, method, request, response, params, () =>
      answer(method, params, request.headers.authorization, request.socket.remoteAddress ?? ''),
    );
  };
}
