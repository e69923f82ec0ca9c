import autocannon from 'autocannon';
import { Pool } from 'undici';

/** What to send: so many seconds long or so many calls, as fast as they are answered or `rate` a second. */
export interface Load {
  url: string;
  /** Of a real call; each has an event token and a deal of its own. */
  form: Record<string, string>;
  limit: { seconds: number; rate: number } | { calls: number };
  firstDeal: number;
  connections: number;
}

export interface BurstResult {
  failed: number;
  /** 99th percentile of the answers' time, and the longest. */
  p99Ms: number;
  slowestMs: number;
}

/** A call after another, each with an event token and a deal of its own. */
function toCalls({ form, firstDeal }: Load): { path: string; nextBody(): string } {
  const { event_token: _token, 'document_id[2]': _deal, ...shared } = form;
  const start = `${new URLSearchParams(shared)}&document_id%5B2%5D=DEAL_`;
  const run = Date.now();
  let number = 0;
  return {
    path: `/bitrix24/robots/${form['code']}`,
    nextBody() {
      number += 1;
      return `${start}${firstDeal + number - 1}&event_token=bench.${run}.${number}`;
    },
  };
}

const headers = { 'content-type': 'application/x-www-form-urlencoded' };

async function asFastAsAnswered(load: Load, calls: number): Promise<BurstResult> {
  const { url, connections } = load;
  const { path, nextBody } = toCalls(load);
  const result = await autocannon({
    url,
    connections,
    amount: calls,
    requests: [
      {
        method: 'POST',
        path,
        headers,
        setupRequest: (request) => ({ ...request, body: nextBody() }),
      },
    ],
  });
  return {
    failed: result.non2xx + result.errors,
    p99Ms: result.latency.p99,
    slowestMs: result.latency.max,
  };
}

/** In so long all connections are open. */
const WARM_MS = 1_000;

/** One call after another, evenly; each is timed from when it was due, so a late start counts as waiting. */
async function evenly(load: Load, seconds: number, rate: number): Promise<BurstResult> {
  const { url, connections } = load;
  const { path, nextBody } = toCalls(load);
  const pool = new Pool(url, { connections, pipelining: 1 });
  const times: number[] = [];
  const sent: Promise<void>[] = [];
  const began = performance.now();
  let accepted = 0;
  async function send(due: number): Promise<void> {
    try {
      const { statusCode, body } = await pool.request({ method: 'POST', path, headers, body: nextBody() });
      await body.dump();
      if (due - began >= WARM_MS) times.push(performance.now() - due);
      accepted += statusCode === 200 ? 1 : 0;
    } catch {
      // Told by the number of those accepted.
    }
  }
  while (sent.length < seconds * rate) {
    for (;;) {
      const due = began + (sent.length * 1000) / rate;
      if (due > performance.now() || sent.length >= seconds * rate) break;
      sent.push(send(due));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(sent);
  await pool.close();
  times.sort((a, b) => a - b);
  return {
    failed: sent.length - accepted,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
    slowestMs: times.at(-1) ?? Number.NaN,
  };
}

/**
 * The bench's load, in a process of its own: in the one of the stand-ins it would wait for their work, and its times
 * would be theirs. Is told a Load, tells a BurstResult, and ends with who started it.
 */
process.on('message', async (load: Load) => {
  const { limit } = load;
  process.send?.(
    'calls' in limit
      ? await asFastAsAnswered(load, limit.calls)
      : await evenly(load, limit.seconds, limit.rate),
  );
});
