import { expect, it } from 'vitest';
import { createLog } from '../src/log.ts';

it('hides secrets wherever they stand', () => {
  const lines: string[] = [];
  const log = createLog('debug', (line) => lines.push(line));
  const canary = 'canary-1234567890';
  log.info('call.taken', {
    access_token: canary,
    nested: { auth: canary, list: [{ eventToken: canary }] },
    url: `https://acme.example/file?auth=${canary}&x=1`,
    header: `Basic ${canary}`,
    error: Object.assign(new Error(`failed at postgres://user:${canary}@host/db`), {
      response: { refresh_token: canary },
    }),
  });
  expect(lines.join('')).not.toContain(canary);
  expect(lines.join('')).toContain('call.taken');
});
