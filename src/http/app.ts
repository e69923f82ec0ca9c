import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import { cleanData, parseJson } from '../lib/text.ts';
import type { Log } from '../robot/ports/log.ts';
import { parseForm } from './form.ts';

/** A call is at most 1 MiB (interface.md §2); installer pages and events are held to the same. */
const MAX_BODY = 1024 * 1024;

type CallResult = 'accepted' | 'repeated' | 'bad' | 'forbidden' | 'unavailable';

export interface Readiness {
  ready: boolean;
  database: 'ok' | 'down';
  spool: { state: 'ok' | 'down'; waiting: number };
  directum: 'ok' | 'down';
  portals: { total: number; ok: number };
}

export interface AppPorts {
  knownRobot(code: string): boolean;
  /** Parses, proves and keeps a call; `reason` is for the caller of a 400. */
  takeCall(code: string, body: unknown): Promise<{ result: CallResult; reason?: string }>;
  install(query: Record<string, unknown>, body: unknown): Promise<{ status: number; html?: string }>;
  event(body: unknown): Promise<'ok' | 'forbidden' | 'unavailable'>;
  readiness(): Promise<Readiness>;
  metrics: { text(): Promise<string>; contentType: string };
  /** Each call of a known robot, by what became of it. */
  count(robot: string, result: CallResult): void;
  opsToken: string | null;
  log: Log;
}

const STATUS: Record<CallResult, number> = {
  accepted: 200,
  repeated: 200,
  bad: 400,
  forbidden: 403,
  unavailable: 503,
};

export const EVENT_STATUS = { ok: 200, forbidden: 403, unavailable: 503 } as const;

/** The package's routes (interface.md §2). Nothing here waits for Directum. */
export function createApp(ports: AppPorts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((_request, response, next) => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cache-Control', 'no-store');
    next();
  });

  // A compressed body is refused: portals do not compress, and a small body could unpack to any size.
  const readBody = express.raw({ type: () => true, limit: MAX_BODY, inflate: false });
  const body: RequestHandler = (request, response, next) =>
    readBody(request, response, (error) => {
      if (error) return next(error);
      try {
        request.body = parseBody(request.body, request.headers['content-type']);
      } catch (refusal) {
        return next(Object.assign(refusal as Error, { status: 400 }));
      }
      next();
    });
  const knownRobot: RequestHandler<{ code: string }> = (request, response, next) => {
    if (ports.knownRobot(request.params.code)) next();
    else problem(response, 404, 'no such robot');
  };

  app.post(
    '/bitrix24/robots/:code',
    knownRobot,
    body as RequestHandler<{ code: string }>,
    async (request, response) => {
      const { code } = request.params;
      const { result, reason } = await ports.takeCall(code, request.body);
      ports.count(code, result);
      if (STATUS[result] === 200) response.status(200).end();
      else problem(response, STATUS[result], reason ?? result);
    },
  );
  app.use('/bitrix24/robots/:code', ((error, request, _response, next) => {
    // A call that the parsers refuse is not sent again by the portal, so it is counted like the others.
    const isRefused = typeof error?.status === 'number' && error.type !== 'request.aborted';
    if (isRefused && ports.knownRobot(request.params.code)) ports.count(request.params.code, 'bad');
    next(error);
  }) as ErrorRequestHandler<{ code: string }>);
  app.post('/bitrix24/install', body, async (request, response) => {
    const { status, html } = await ports.install(cleanData(request.query), request.body);
    if (html === undefined) response.status(status).end();
    else response.status(status).type('html').send(html);
  });
  app.post('/bitrix24/events', body, async (request, response) => {
    response.status(EVENT_STATUS[await ports.event(request.body)]).end();
  });
  app.get(/^\/bitrix24(\/|$)/, (_request, response) => {
    response.status(200).end();
  });

  app.get('/healthz', (_request, response) => {
    response.status(200).type('text').send('ok');
  });
  app.get('/readyz', async (_request, response) => {
    const readiness = await ports.readiness();
    response.status(readiness.ready ? 200 : 503).json(readiness);
  });
  app.get('/metrics', async (request, response) => {
    if (ports.opsToken === null) return problem(response, 404, 'not found');
    if (!sameText(request.get('authorization') ?? '', `Bearer ${ports.opsToken}`))
      return problem(response, 401, 'a bearer token is needed');
    response.set('Content-Type', ports.metrics.contentType).send(await ports.metrics.text());
  });

  app.use((_request, response) => problem(response, 404, 'not found'));
  app.use(onError(ports.log));
  return app;
}

const utf8 = new TextDecoder();

/**
 * A body that is not declared as JSON is read as a form, also without a type (bitrix24.md C1), and always as UTF-8, whatever
 * the header says: portals send nothing else (C2).
 */
function parseBody(body: Buffer | undefined, type = ''): unknown {
  const text = utf8.decode(body);
  return /\bjson\b/i.test(type) ? parseJson(text) : parseForm(text);
}

function problem(response: Response, status: number, error: string): void {
  response.status(status).json({ error });
}

/** Compares in a time that does not depend on where the texts differ. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function onError(log: Log): ErrorRequestHandler {
  return (error, request, response, _next) => {
    // Parsers of bodies set a status on their errors; any other error is ours.
    const status = typeof error?.status === 'number' && error.status < 500 ? error.status : 500;
    if (status === 500) log.error('request.failed', { error, path: request.path });
    if (response.headersSent) response.end();
    // A part of the address that cannot be decoded names nothing.
    else if (error instanceof URIError) problem(response, 404, 'not found');
    else if (status === 413) problem(response, 413, `the body is larger than ${MAX_BODY} bytes`);
    else if (status < 500) problem(response, 400, 'the body cannot be read as a form or JSON');
    else problem(response, 500, 'internal error');
  };
}
