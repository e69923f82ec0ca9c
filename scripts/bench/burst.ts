import autocannon from 'autocannon';
import { CREATE } from './stands.ts';

export const CONNECTIONS = 50;

export interface BurstResult {
  perSecond: number;
  accepted: number;
  failed: number;
  /** 99th percentile of the answers' time. */
  p99Ms: number;
}

/** Robot calls as fast as they are answered, or `rate` a second; each with an event token and a deal of its own. */
export async function burst(
  url: string,
  form: Record<string, string>,
  limit: { seconds: number; rate?: number } | { calls: number },
  dealOf: (number: number) => number = (number) => 1_000_000 + number,
): Promise<BurstResult> {
  let number = 0;
  const run = Date.now();
  const began = performance.now();
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    ...('calls' in limit ? { amount: limit.calls } : { duration: limit.seconds }),
    ...('rate' in limit && limit.rate !== undefined && { overallRate: limit.rate }),
    requests: [
      {
        method: 'POST',
        path: `/bitrix24/robots/${CREATE}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        setupRequest: (request) => {
          number += 1;
          const body = new URLSearchParams({
            ...form,
            event_token: `bench.${run}.${number}`,
            'document_id[2]': `DEAL_${dealOf(number)}`,
          });
          return { ...request, body: body.toString() };
        },
      },
    ],
  });
  const seconds = 'calls' in limit ? (performance.now() - began) / 1000 : limit.seconds;
  return {
    perSecond: result['2xx'] / seconds,
    accepted: result['2xx'],
    failed: result.non2xx + result.errors,
    p99Ms: result.latency.p99,
  };
}
