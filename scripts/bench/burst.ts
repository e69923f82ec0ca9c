import autocannon from 'autocannon';

export const CONNECTIONS = 50;

/** Calls a second that are answered with 200, each with an event token and a deal of its own. */
export async function burst(
  url: string,
  code: string,
  form: Record<string, string>,
  seconds: number,
): Promise<{ perSecond: number; failed: number }> {
  let number = 0;
  const run = Date.now();
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        path: `/bitrix24/robots/${code}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        setupRequest: (request) => {
          number += 1;
          const body = new URLSearchParams({
            ...form,
            event_token: `bench.${run}.${number}`,
            'document_id[2]': `DEAL_${1_000_000 + number}`,
          });
          return { ...request, body: body.toString() };
        },
      },
    ],
  });
  return { perSecond: result['2xx'] / seconds, failed: result.non2xx + result.errors };
}
