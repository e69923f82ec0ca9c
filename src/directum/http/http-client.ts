import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleType,
  isBrokenCircuitError,
} from 'cockatiel';
import { Agent, request } from 'undici';
import { toClean } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import { badAnswer, isFault, toFailure, unreachable } from './errors.ts';
import { sentTexts } from './refusal-text.ts';

/** The official utility waits 600 s; a run is tried again anyway, so it need not hold a worker that long. */
const TIMEOUTS = { connectMs: 10_000, headersMs: 120_000, bodyMs: 120_000 };
const MAX_BYTES = 32 * 1024 * 1024;
const FAULTS_TO_OPEN = 5;
const OPEN_MS = 5_000;
/** The connection broke before an answer: a read may be repeated over a new one. */
const RECONNECT = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']);

export interface HttpClientOptions {
  ca?: string;
  timeouts?: { connectMs: number; headersMs: number; bodyMs: number };
  log: Log;
  /** Called when the circuit has closed: Directum answers again. */
  onBack?: () => void;
  /** Takes secrets out of a text that may be quoted. */
  hide: (text: string) => string;
  onRequest?: (made: {
    operation: string;
    seconds: number;
    status: number | 'network';
    errorCode?: string;
  }) => void;
}

export interface Ask {
  verb: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  url: string;
  operation: string;
  headers: Record<string, string>;
  body?: string | AsyncIterable<Uint8Array>;
  /** Reads one byte instead of the text; the reply's body is then empty or `x`. */
  peek?: boolean;
  /** Takes the bytes of a 200 in place of the reply's body. */
  sink?: Sink;
  /** A 401 then only means that the token has expired: it is no fault of Directum. */
  mayExpire?: boolean;
}

/** Where a large answer goes, chunk by chunk. A reconnected read begins anew with `reset`. */
export interface Sink {
  reset(): Promise<void>;
  write(chunk: Uint8Array): Promise<void>;
}

export interface Reply {
  status: number;
  body: string;
  /** What the status means when it is not a success. */
  failure: RobotFailure | null;
}

export interface HttpClient {
  /** @throws RobotFailure when no answer came; any answer, good or bad, is a Reply */
  ask(ask: Ask): Promise<Reply>;
  /** The circuit is not closed. */
  isDown(): boolean;
  /** False while Directum is down, except for one caller every few seconds, who finds out whether it is back. */
  admits(): boolean;
  close(): Promise<void>;
}

/** Counted by the circuit breaker; the reply is there when one came. */
class Fault extends Error {
  readonly reply: Reply | null;
  constructor(reply: Reply | null, cause?: unknown) {
    super('fault', { cause });
    this.reply = reply;
  }
}

/**
 * HTTP to one Directum: own pool over HTTP/1.1, no redirects, limits of time and size, one reconnect of a read, and
 * a circuit breaker that opens for a few seconds after several faults in a row.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { log, hide } = options;
  const timeouts = options.timeouts ?? TIMEOUTS;
  const agent = new Agent({
    allowH2: false,
    connections: 32,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
    connect: {
      timeout: timeouts.connectMs,
      ...(options.ca !== undefined && { ca: [...rootCertificates, options.ca] }),
    },
  });
  // Its own pause goes by the wall clock and would grow when that is set back: `mayTry` keeps the pause instead.
  const noPause = { duration: Number.NEGATIVE_INFINITY, next: () => noPause };
  const breaker = circuitBreaker(handleType(Fault), {
    breaker: new ConsecutiveBreaker(FAULTS_TO_OPEN),
    halfOpenAfter: noPause,
  });
  let openedAt = 0;
  let admittedAt = 0;
  breaker.onBreak(() => {
    openedAt = admittedAt = performance.now();
    log.warn('directum.circuit_opened');
  });
  breaker.onReset(() => {
    log.info('directum.circuit_closed');
    options.onBack?.();
  });
  const isDown = () => breaker.state !== CircuitState.Closed;
  const mayTry = () => breaker.state !== CircuitState.Open || performance.now() - openedAt >= OPEN_MS;

  async function exchange({ verb, url, headers, body, peek, sink }: Ask): Promise<Reply> {
    const answer = await request(url, {
      method: verb,
      dispatcher: agent,
      headers,
      // Slow bytes never reach a limit between bytes, so the whole has one too; an upload may take as long as it flows.
      signal: typeof body === 'object' ? null : AbortSignal.timeout(timeouts.headersMs + timeouts.bodyMs),
      ...(body !== undefined && { body: typeof body === 'string' ? body : Readable.from(body) }),
    });
    const status = answer.statusCode;
    const chunks: Buffer[] = [];
    let size = 0;
    const taking = status === 200 ? sink : undefined;
    await taking?.reset();
    // A body without an encoding comes in buffers. Leaving the loop early destroys it and its connection with it.
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      if (taking) {
        await taking.write(chunk);
        continue;
      }
      size += chunk.length;
      if (peek && status === 200 && size > 0) return { status, body: 'x', failure: null };
      if (size > MAX_BYTES) throw badAnswer('too large');
      chunks.push(chunk);
    }
    const text = toClean(Buffer.concat(chunks).toString('utf8')).replace(/^\uFEFF/, '');
    if (status < 300) return { status, body: text, failure: null };
    return { status, body: text, failure: toFailure(status, text, { hide, sent: sentTexts(url, body) }) };
  }

  async function reach(ask: Ask): Promise<Reply> {
    try {
      return await exchange(ask);
    } catch (error) {
      if (ask.verb !== 'GET' || !RECONNECT.has(codeOf(error))) throw error;
      return exchange(ask);
    }
  }

  async function counted(ask: Ask): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await reach(ask);
    } catch (error) {
      // A RobotFailure is no silence of Directum: the source of an upload failed, or an answer came and was unusable.
      throw error instanceof RobotFailure ? error : new Fault(null, error);
    }
    if (ask.mayExpire && reply.status === 401) return reply;
    if (isFault(reply.status, reply.body)) throw new Fault(reply);
    return reply;
  }

  return {
    async ask(ask) {
      const started = performance.now();
      let status: number | 'network' = 'network';
      let failure: RobotFailure | null = null;
      let asked = true;
      try {
        const reply = await (mayTry()
          ? breaker.execute(() => counted(ask))
          : Promise.reject(new BrokenCircuitError())
        ).catch((error: unknown) => {
          if (error instanceof Fault && error.reply) return error.reply;
          asked = !isBrokenCircuitError(error);
          throw error instanceof RobotFailure ? error : unreachable(error);
        });
        ({ status, failure } = reply);
        return reply;
      } catch (error) {
        if (error instanceof RobotFailure) failure = error;
        throw error;
      } finally {
        const seconds = (performance.now() - started) / 1000;
        const { operation } = ask;
        // An open circuit asks nothing, so there is nothing to measure.
        if (asked)
          options.onRequest?.({ operation, seconds, status, ...(failure && { errorCode: failure.code }) });
        log.debug('directum.answered', { operation, status, seconds });
      }
    },
    isDown,
    admits() {
      if (!isDown()) return true;
      const at = performance.now();
      if (at - admittedAt < OPEN_MS) return false;
      admittedAt = at;
      return true;
    },
    close: () => agent.destroy(),
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
