import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Ask, Reply } from './ask.ts';
import type { Auth } from './auth.ts';
import { play, type Trouble } from './misbehave.ts';
import type { Page } from './page.ts';
import { errorBody, Refusal } from './refusal.ts';

export interface JournalEntry {
  at: string;
  verb: string;
  /** Decoded; below /Integration/odata/ without that beginning (`IContracts(5001)`), else whole (`/Integration/token`). */
  path: string;
  /** Decoded query string without the question mark. */
  query: string;
  /** 0 when the connection was cut or left hanging. */
  status: number;
  body?: unknown;
}

export interface Hall {
  auth: Auth;
  trouble: Trouble;
  journal: JournalEntry[];
  now: () => Date;
  answer(ask: Ask): Reply;
  metadata(): string;
  page: Page;
}

const startLineLimit = 2048;
const prefix = /^\/integration\/odata(?:\/|$)/i;

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What the journal keeps of a body: JSON as JSON, the rest as its size. */
function remembered(body: Buffer, type: string): { body?: unknown } {
  if (body.length === 0) return {};
  if (!type.includes('json')) return { body: `${body.length} bytes` };
  try {
    return { body: JSON.parse(body.toString('utf8')) };
  } catch {
    return { body: body.toString('utf8').slice(0, 200) };
  }
}

function send(response: ServerResponse, reply: Reply): void {
  response.statusCode = reply.status;
  if (reply.status === 401)
    response.setHeader('www-authenticate', ['Basic realm="Directum RX"', 'Bearer', 'Negotiate']);
  if (reply.bytes) response.setHeader('content-type', 'application/octet-stream').end(reply.bytes);
  else if (reply.text !== undefined)
    response.setHeader('content-type', 'text/plain; charset=utf-8').end(reply.text);
  else if (reply.json === undefined) response.end();
  else
    response
      .setHeader('content-type', 'application/json; odata.metadata=minimal')
      .end(JSON.stringify(reply.json));
}

function service(
  hall: Hall,
  request: IncomingMessage,
  path: string,
  query: string,
  body: Buffer,
): Reply & { xml?: string } {
  const below = path.replace(prefix, '');
  if (hall.trouble.unauthorized) throw new Refusal(401, 'Не удалось аутентифицировать пользователя.');
  if (/^\/integration\/token$/i.test(path)) return { status: 200, text: hall.auth.token(request.headers) };
  if (below === path) throw new Refusal(404, 'Ресурс не найден.');
  hall.auth.check(request.headers);
  if ((request.url ?? '').length + (request.method ?? '').length + ' HTTP/1.1'.length + 1 > startLineLimit)
    throw new Refusal(414, 'URI Too Long');
  const segments = below.split('/').map(decoded);
  if (segments.some((one) => one.includes('+'))) throw new Refusal(404, 'Ресурс не найден.');
  if (segments[0] === '$metadata') return { status: 200, xml: hall.metadata() };
  const plain = segments.at(-1) === '$value' || segments.at(-1) === '$count';
  if (!plain && !/application\/json/i.test(request.headers.accept ?? ''))
    throw new Refusal(400, 'Заголовок Accept должен быть application/json.');
  return hall.answer({ verb: request.method ?? 'GET', segments, query, headers: request.headers, body });
}

async function handle(hall: Hall, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '/', ...tail] = (request.url ?? '/').split('?');
  const query = tail.join('?');
  if (hall.trouble.down) {
    const at = hall.now().toISOString();
    hall.journal.push({
      at,
      verb: request.method ?? 'GET',
      path: decoded(path),
      query: decoded(query),
      status: 0,
    });
    return void request.destroy();
  }
  if (/^\/client(\/|$)/i.test(path) || path === '/') {
    const body = await read(request);
    return hall.page.answer(request.method ?? 'GET', path, query, body.toString('utf8'), response);
  }
  const verb = request.method ?? 'GET';
  const shown = path.replace(prefix, '').split('/').map(decoded).join('/');
  const shownQuery = decoded(query.replaceAll('+', ' '));
  const rule = hall.trouble.take(verb, shownQuery ? `${shown}?${shownQuery}` : shown);
  const body = await read(request);
  const entry: JournalEntry = {
    at: hall.now().toISOString(),
    verb,
    path: shown,
    query: shownQuery,
    status: 0,
  };
  Object.assign(entry, remembered(body, String(request.headers['content-type'] ?? '')));
  hall.journal.push(entry);
  if (rule?.delayMs) await new Promise((resolve) => setTimeout(resolve, rule.delayMs));
  if (rule && !rule.cutAfterEffect && !rule.hangAfterEffect && play(rule, response, hall.trouble)) {
    entry.status = response.headersSent ? response.statusCode : 0;
    return;
  }
  const reply = safely(() => service(hall, request, path, query, body));
  if (rule?.cutAfterEffect) return void response.destroy();
  if (rule?.hangAfterEffect) return;
  entry.status = reply.status;
  if (reply.xml === undefined) send(response, reply);
  else response.setHeader('content-type', 'application/xml; charset=utf-8').end(reply.xml);
}

function safely(work: () => Reply & { xml?: string }): Reply & { xml?: string } {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, json: errorBody(error) };
    // A defect of the sandbox itself; the text shows where.
    return { status: 500, json: { error: { code: 'sandbox', message: String((error as Error).stack) } } };
  }
}

export async function listen(hall: Hall, host: string, port: number): Promise<Server> {
  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    handle(hall, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}
