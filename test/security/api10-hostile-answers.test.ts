import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { PortalError } from '../../src/bitrix24/rest/portal-error.ts';
import { contract } from '../../src/documents/types/document-types.ts';
import { RobotFailure } from '../../src/robot/failure.ts';
import { fakePortal, installed, MEMBER, PROVEN } from '../bitrix24/fake-portal.ts';
import { adapter, company, label, quietLog } from '../directum/stand.ts';

/** OWASP API10, API4: what both platforms answer is hostile input; it is healed or a clear error, at bounded cost. */
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

type Answer = (response: ServerResponse) => void;
const body =
  (content: string | Buffer, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(content);
const nested = (depth: number, first: string, last: string) => first.repeat(depth) + last.repeat(depth);
const wrap = (value: string) => `{"value":[{"Id":1,"Name":${value}}],"result":${value},"Id":${value}}`;
const weird = [
  'null',
  'true',
  '0',
  '""',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '-1',
  '1e308',
  '1e999',
  '9007199254740993',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toString":1,"valueOf":1,"length":-1,"then":1}',
  '{"error":{"message":{"value":{"value":[]}}}}',
  '{"error":0}',
  '{"result":{"result":"x","result_error":5,"result_time":[]}}',
  JSON.stringify('х'.repeat(1 << 20)),
];

const ANSWERS: [name: string, answer: Answer][] = [
  ...weird.flatMap((value): [string, Answer][] => [
    [`bare ${value.slice(0, 30)}`, body(value)],
    [`wrapped ${value.slice(0, 30)}`, body(wrap(value))],
    [`a refusal with ${value.slice(0, 30)}`, body(value, 400)],
  ]),
  ['a number key', body('{"value":{"0":{"Id":1}},"result":{"0":{"id":1}}}')],
  ['deep lists', body(nested(200_000, '[', ']'))],
  ['deep objects', body(`${'{"value":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
  ['a deep result', body(`{"result":${nested(100_000, '[', ']')}}`)],
  ['deep rows', body(`{"value":[{"Id":1,"Name":${nested(100_000, '[', ']')}}]}`)],
  ['a deep refusal', body(`{"error":${nested(100_000, '[', ']')}}`, 400)],
  ['bytes that are no UTF-8', body(Buffer.from([0x7b, 0xff, 0xfe, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x7d]))],
  [
    'no UTF-8 inside a text',
    body(Buffer.concat([Buffer.from('{"result":"'), Buffer.from([0xff]), Buffer.from('"}')])),
  ],
  ['a cut body', body('{"value":[{"Id":1')],
  [
    'entities that multiply',
    body(
      `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${'a'.repeat(1000)}">${Array.from({ length: 9 }, (_, n) => `<!ENTITY ${'bcdefghij'[n]} "${`&${'abcdefghi'[n]};`.repeat(10)}">`).join('')}]><edmx:Edmx><x>&j;</x></edmx:Edmx>`,
    ),
  ],
  [
    'a stream without an end',
    (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 32)));
      };
      response.on('drain', more);
      more();
    },
  ],
  [
    'a body that trickles for ever',
    (response) => {
      response.write('{"value":[');
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    },
  ],
];

async function serve(answer: Answer) {
  const server: Server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What came of it: a value, or the code of a clear error; anything else is shown as it is. */
async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'value';
  } catch (error) {
    if (error instanceof RobotFailure) return error.code === 'internal_error' ? 'internal_error' : 'clear';
    return error instanceof PortalError ? 'clear' : String(error);
  }
}

async function measured(name: string, works: Record<string, () => Promise<unknown>>): Promise<void> {
  const before = process.memoryUsage().rss;
  const began = performance.now();
  const seen = await Promise.all(
    Object.entries(works).map(async ([work, run]) => [work, await outcome(run)] as const),
  );
  const unclear = seen.filter(([, came]) => came !== 'value' && came !== 'clear');
  expect(unclear, name).toEqual([]);
  expect(performance.now() - began, name).toBeLessThan(10_000);
  expect(process.memoryUsage().rss - before, name).toBeLessThan(600 * 1024 * 1024);
  expect(({} as Record<string, unknown>)['polluted'], name).toBeUndefined();
}

it('Directum answers with anything at all', async () => {
  for (const [name, answer] of ANSWERS) {
    const origin = await serve(answer);
    const { directum, service } = adapter(
      { url: `${origin}/Integration/odata`, webUrl: `${origin}/Client` },
      { timeouts: { connectMs: 500, headersMs: 700, bodyMs: 700 } },
    );
    open.push(() => service.close());
    await measured(`Directum: ${name}`, {
      ping: () => service.ping(),
      capabilities: () => service.capabilities(),
      state: () => directum.states.read(1),
      task: () => directum.states.newestTask(1),
      kind: () => directum.catalogue.documentKind(contract, 'Договор', label),
      rate: () => directum.catalogue.vatRate('20%', label),
      counterparty: () => directum.counterparties.sync(company(), 'fill'),
      changes: () => service.changes.documents('2026-03-02T10:00:00Z', 0),
    });
  }
}, 120_000);

it('a portal answers with anything at all', async () => {
  for (const [name, answer] of ANSWERS) {
    const portal = await fakePortal({}, (_request, response) => {
      answer(response);
      return true;
    });
    open.push(() => portal.close());
    const made = await installed(portal, {}, { timeoutMs: 1_500 });
    const results = ['a', 'b'].map((eventToken) => ({ eventToken, values: { ok: 'Y' } }));
    const item = { typeId: 2, id: 5, code: 'DEAL_5' };
    await measured(`portal: ${name}`, {
      call: () => made.rest.call(MEMBER, 'profile', {}),
      batch: () => made.rest.batch(MEMBER, { one: { method: 'profile', params: {} } }),
      read: () => made.reader(MEMBER, item, quietLog, PROVEN).read(),
      send: () => made.answers.send(MEMBER, results, 'answer'),
      comment: () => made.deals(MEMBER).comment([{ item, text: 'x', mark: 'x', unsure: 'lost' }]),
    });
    portal.hits.length = 0;
  }
}, 120_000);

it('an OAuth server answers with anything at all', async () => {
  for (const [name, answer] of ANSWERS) {
    const portal = await fakePortal({}, (request, response) => {
      if (request.url === '/oauth/token/') answer(response);
      else response.writeHead(401).end('{"error":"expired_token"}');
      return true;
    });
    open.push(() => portal.close());
    const made = await installed(portal, {}, { timeoutMs: 1_500 });
    await measured(`OAuth: ${name}`, { call: () => made.rest.call(MEMBER, 'profile', {}) });
  }
}, 120_000);
