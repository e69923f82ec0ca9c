import autocannon from 'autocannon';
import { Pool } from 'undici';

/** What to send, each once: `rate` a second, or as fast as they are answered. */
export interface Load {
  url: string;
  path: string;
  bodies: string[];
  rate: number | null;
  connections: number;
}

export interface BurstResult {
  failed: number;
  /** 99th percentile of the answers' time, and the longest. */
  p99Ms: number;
  slowestMs: number;
}

const headers = { 'content-type': 'application/x-www-form-urlencoded' };

async function asFastAsAnswered({ url, path, bodies, connections }: Load): Promise<BurstResult> {
  let next = 0;
  const result = await autocannon({
    url,
    connections,
    amount: bodies.length,
    requests: [
      {
        method: 'POST',
        path,
        headers,
        setupRequest: (request) => ({ ...request, body: bodies[next++] as string }),
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
async function evenly({ url, path, bodies, connections }: Load, rate: number): Promise<BurstResult> {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const times: number[] = [];
  const sent: Promise<void>[] = [];
  const began = performance.now();
  let accepted = 0;
  async function send(body: string, due: number): Promise<void> {
    try {
      const answer = await pool.request({ method: 'POST', path, headers, body });
      await answer.body.dump();
      if (due - began >= WARM_MS) times.push(performance.now() - due);
      accepted += answer.statusCode === 200 ? 1 : 0;
    } catch {
      // Told by the number of those accepted.
    }
  }
  for (const body of bodies) {
    const due = began + (sent.length * 1000) / rate;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    sent.push(send(body, due));
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
  process.send?.(await (load.rate === null ? asFastAsAnswered(load) : evenly(load, load.rate)));
});
