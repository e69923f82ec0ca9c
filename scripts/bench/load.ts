import autocannon from 'autocannon';

/** What to send: so many seconds long or so many calls, as fast as they are answered or `rate` a second. */
export interface Load {
  url: string;
  /** Of a real call; each has an event token and a deal of its own. */
  form: Record<string, string>;
  limit: { seconds: number; rate?: number } | { calls: number };
  firstDeal: number;
  connections: number;
}

/**
 * The bench's load, in a process of its own: in the one of the stand-ins it would wait for their work, and its times
 * would be theirs. Reads a Load from its argument and prints the result of autocannon's run.
 */
const { url, form, limit, firstDeal, connections }: Load = JSON.parse(process.argv[2] ?? '');
const run = Date.now();
const { event_token: _token, 'document_id[2]': _deal, ...shared } = form;
const body = `${new URLSearchParams(shared)}&document_id%5B2%5D=DEAL_`;
let number = 0;
const began = performance.now();
const result = await autocannon({
  url,
  connections,
  ...('calls' in limit ? { amount: limit.calls } : { duration: limit.seconds }),
  ...('rate' in limit && limit.rate !== undefined && { overallRate: limit.rate }),
  requests: [
    {
      method: 'POST',
      path: `/bitrix24/robots/${form['code']}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      setupRequest: (request) => {
        number += 1;
        return { ...request, body: `${body}${firstDeal + number - 1}&event_token=bench.${run}.${number}` };
      },
    },
  ],
});
const seconds = 'calls' in limit ? (performance.now() - began) / 1000 : limit.seconds;
process.stdout.write(
  JSON.stringify({
    perSecond: result['2xx'] / seconds,
    accepted: result['2xx'],
    failed: result.non2xx + result.errors,
    p99Ms: result.latency.p99,
  }),
);
