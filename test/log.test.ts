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

it('counts what it leaves out of a long list', () => {
  const lines: string[] = [];
  const log = createLog('debug', (line) => lines.push(line));
  log.info('call.taken', { ids: Array.from({ length: 60 }, (_, n) => n) });
  expect(JSON.parse(lines[0] as string).ids).toEqual([...Array.from({ length: 50 }, (_, n) => n), '+10']);
});
