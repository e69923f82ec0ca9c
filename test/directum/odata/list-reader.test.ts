import { expect, it } from 'vitest';
import type { Transport } from '../../../src/directum/http/transport.ts';
import { allPages, createReader, PAGE } from '../../../src/directum/odata/list-reader.ts';

it('asks in parts for more properties than a start line holds', async () => {
  const asked: string[] = [];
  const get = async (path: string) => {
    asked.push(path);
    const [, select = '', , expand = ''] = /\$select=([^&]*)(&\$expand=(.*))?$/.exec(path) ?? [];
    const names = [...select.split(','), ...expand.replaceAll('($select=Id)', '').split(',').filter(Boolean)];
    return Object.fromEntries(names.map((name) => [name, name]));
  };
  const reader = createReader({ basePath: '/Integration/odata/', get } as unknown as Transport);
  const simple = Array.from({ length: 80 }, (_, n) => `CustomPropertyOfOurLayer${n}`);
  const references = Array.from({ length: 40 }, (_, n) => `CustomReferenceOfOurLayer${n}`);
  const row = await reader.one('IContracts', 5, {
    select: ['Id', ...simple],
    expand: Object.fromEntries(references.map((name) => [name, { select: ['Id'] }])),
  });
  expect(Object.keys(row ?? {}).sort()).toEqual(['Id', ...simple, ...references].sort());
  for (const path of asked)
    expect(`GET /Integration/odata/${path} HTTP/1.1`.length).toBeLessThanOrEqual(2048);
  expect(asked.length).toBeGreaterThan(1);
});

it('says so when a set has no end, instead of cutting it', async () => {
  let id = 0;
  const page = async () => Array.from({ length: PAGE }, () => ({ Id: ++id }));
  await expect(allPages(page)).rejects.toMatchObject({ code: 'directum_unavailable' });
});
