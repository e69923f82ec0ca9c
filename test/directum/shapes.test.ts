import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { contract } from '../../src/documents/types/document-types.ts';
import { type Directum, startDirectum } from '../sandbox/directum/directum.ts';
import { adapter, company, contact, label, OTHER_KPP } from './stand.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

type Json = unknown;
interface Answer {
  status: number;
  type: string;
  body: string;
}

/** Every object of an answer, from the inside out. */
function each(value: Json, change: (row: Record<string, Json>) => Record<string, Json>): Json {
  if (Array.isArray(value)) return value.map((one) => each(one, change));
  if (typeof value !== 'object' || value === null) return value;
  return change(
    Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, each(inner, change)])),
  );
}

const json = (change: (row: Record<string, Json>) => Record<string, Json>) => (answer: Answer) =>
  answer.body.startsWith('{')
    ? { ...answer, body: JSON.stringify(each(JSON.parse(answer.body), change)) }
    : answer;
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Answers a stand may give by directum.md A.4, A.6, A.8, A.11 and B where ours has chosen one of several. */
const SHAPES: Record<string, (answer: Answer, verb: string) => Answer> = {
  'nothing that is empty, no annotations': json((row) =>
    Object.fromEntries(
      Object.entries(row).filter(
        ([name, value]) =>
          !name.startsWith('@') &&
          value !== null &&
          !(Array.isArray(value) && value.length === 0 && name !== 'value'),
      ),
    ),
  ),
  'annotations everywhere, another order, GUIDs in capitals': json((row) =>
    Object.fromEntries([
      ['@odata.id', 'x'],
      ['@odata.etag', 'W/"1"'],
      ...Object.entries(row)
        .reverse()
        .map(([name, value]) => [
          name,
          typeof value === 'string' && GUID.test(value) ? value.toUpperCase() : value,
        ]),
    ]),
  ),
  '204 to every write': (answer, verb) =>
    (verb === 'POST' && answer.status === 201) || verb === 'PATCH'
      ? { status: 204, type: '', body: '' }
      : answer,
  '200 to every write': (answer, verb) =>
    verb === 'GET' || answer.status >= 300
      ? answer
      : { ...answer, status: 200, type: 'application/json', body: answer.body || '{"Id":1}' },
  'an empty list instead of 204': (answer, verb) =>
    verb === 'GET' && answer.status === 204
      ? { status: 200, type: 'application/json', body: '{"value":[]}' }
      : answer,
  'fractions of seconds, Z and a byte order mark': (answer) => ({
    ...answer,
    body: answer.body.startsWith('{')
      ? `\uFEFF${answer.body.replace(/(T\d\d:\d\d:\d\d)(?:\.\d+)?(Z|\+00:00)"/g, '$1.1234567+00:00"')}`
      : answer.body,
  }),
  '404 without a word': (answer) => (answer.status === 404 ? { ...answer, body: '' } : answer),
};

const OPTIONS = new Set(['$select', '$filter', '$orderby', '$top', '$skip', '$count', '$expand']);

/** What a strict stand refuses in a request (directum.md A.4, A.5, A.8). */
function offences(verb: string, url: string, headers: Record<string, string>): string[] {
  const [path = '', query = ''] = url.split('?');
  const found: string[] = [];
  if (!/^[!-~]+$/.test(url) || /[ "<>\\^`{|}]/.test(url)) found.push('an address that is not encoded');
  if (path.includes('+')) found.push('a plus in the path');
  if (`${verb} ${url} HTTP/1.1`.length > 2048) found.push('a start line that is too long');
  if (!headers['accept']) found.push('no Accept');
  if (verb !== 'GET' && !headers['content-type']) found.push('no Content-Type');
  for (const [name, value] of new URLSearchParams(query)) {
    if (!OPTIONS.has(name)) found.push(`the option ${name}`);
    // About ten nodes a comparison, a hundred in all (directum.md A.5).
    const nodes = value.match(/ (?:eq|ne|gt|lt|ge|le) |startswith\(|contains\(/g)?.length ?? 0;
    if (name === '$filter' && nodes > 10) found.push(`${nodes} comparisons`);
    if (name === '$filter' && / in \(/.test(value)) found.push('in');
    if (name === '$select' && /[();/]/.test(value)) found.push('a select of more than simple properties');
  }
  const listing = verb === 'GET' && /odata\/I\w+$/.test(path);
  if (listing && !query.includes('$filter=')) found.push('a set without a filter');
  return found.map((what) => `${verb} ${decodeURIComponent(url)}: ${what}`);
}

/** A Directum whose answers come in another shape, and what it would have refused. */
async function shaped(sandbox: Directum, shape: (answer: Answer, verb: string) => Answer) {
  const refused: string[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(
        ([name]) => !/^(host|connection|transfer-encoding|content-length)$/.test(name),
      ),
    ) as Record<string, string>;
    const verb = request.method ?? 'GET';
    refused.push(...offences(verb, String(request.url), headers));
    const reply = await fetch(new URL(String(request.url), sandbox.url), {
      method: verb,
      headers,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    });
    const bytes = Buffer.from(await reply.arrayBuffer());
    const type = reply.headers.get('content-type') ?? '';
    if (type.includes('octet-stream'))
      return response.writeHead(reply.status, { 'content-type': type }).end(bytes);
    const answer = shape({ status: reply.status, type, body: bytes.toString('utf8') }, verb);
    return response
      .writeHead(answer.status, answer.type ? { 'content-type': answer.type } : {})
      .end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bench = adapter({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/Integration/odata`,
    webUrl: sandbox.webUrl,
  });
  open.push(
    async () => {
      server.closeAllConnections();
      server.close();
    },
    () => bench.service.close(),
  );
  return { ...bench, refused };
}

const KEY = 'b24:portal-1:DEAL_1:contract';

const CASES = [
  ...Object.entries(SHAPES).map(([name, shape]) => ({ name, shape, options: {} })),
  ...(['4.3', '4.8'] as const).map((generation) => ({
    name: `a Directum of ${generation} in another zone`,
    shape: (answer: Answer) => answer,
    options: { generation, offset: '-05:00' },
  })),
];

it.each(CASES)('works with $name', async ({ shape, options }) => {
  const sandbox = await startDirectum({ refuseCounterpartiesSet: true, sizeGuard: 0, ...options });
  open.push(() => sandbox.stop());
  const { directum, service, refused } = await shaped(sandbox, shape);
  const can = await service.capabilities();
  const { catalogue, counterparties, documents, versions, approvals, states, employees } = directum;

  const kind = await catalogue.documentKind(contract, 'договор', label);
  const unit = await catalogue.businessUnit(String(sandbox.all('IBusinessUnits')[0]!['TIN']), label);
  const person = await employees.byEmail('Ivanov@acme.example');
  expect(person).toMatchObject({ departmentId: expect.any(Number), businessUnitId: unit.id });

  const head = await counterparties.sync(company(), 'fill');
  expect(head).toMatchObject({ action: 'created' });
  expect((await counterparties.sync(company({}, { phones: ['1'] }), 'fill')).changedFields).toEqual([
    'Phones',
  ]);
  expect((await counterparties.sync(company({}, { phones: ['1'] }), 'overwrite')).action).toBe('unchanged');
  expect((await counterparties.sync(company({ kpp: OTHER_KPP, id: 2 }, { id: 45 }), 'fill')).action).toBe(
    'created',
  );
  expect(await counterparties.sync(contact(), 'fill')).toMatchObject({ action: 'created', type: 'person' });

  const draft = {
    subject: 'Поставка',
    documentKindId: kind.id,
    counterpartyId: head.id,
    businessUnitId: unit.id,
    departmentId: person!.departmentId!,
    responsibleId: person!.id,
    amount: 100.5,
    currencyId: (await catalogue.currency('RUB', label)).id,
    // Contracts of old installations have no VAT rate.
    ...(can.property('Contract', 'VatRate') !== null && {
      vatRateId: (await catalogue.vatRate('20', label)).id,
    }),
    validFrom: '2026-03-02',
    validTill: '2026-12-31',
    note: 'a\nb',
  };
  const made = await documents.create(contract, KEY, draft);
  expect((await documents.byExternalId(contract, KEY))?.id).toBe(made.id);
  expect((await documents.update(contract, made.id, draft)).changedFields).toEqual([]);
  expect((await documents.update(contract, made.id, { ...draft, amount: 7 })).changedFields).toEqual([
    'TotalAmount',
  ]);
  expect(await documents.byId(contract, 999_999)).toBeNull();
  expect(await documents.byExternalId(contract, 'нет')).toBeNull();

  const file = {
    name: 'a.docx',
    size: 3,
    body: (async function* () {
      yield Buffer.from('abc');
    })(),
    cancel: async () => undefined,
  };
  await versions.fromFile(contract, made.id, file);
  expect(await versions.hasBody(contract, made.id)).toBe(true);
  await versions.fromTemplate(contract, made.id, (await catalogue.template('Типовой договор', label)).id);
  expect(sandbox.versions(made.id)).toHaveLength(2);

  const signatory = (await employees.byEmail('sidorov@acme.example'))!.id;
  const request = {
    documentId: made.id,
    type: 'auto' as const,
    signatoryId: signatory,
    approverIds: [person!.id],
    deadline: null,
    text: null,
  };
  sandbox.misbehave.next({ verb: 'POST', path: 'StartTask', status: 400, body: { error: 'позже' } });
  await expect(approvals.start(request)).rejects.toMatchObject({ code: 'directum_refused' });
  const started = await approvals.start(request);
  expect(started).toMatchObject({ started: true });
  const byProcess = can.has('DocflowApproval/CreateDocumentFlowTask');
  expect(sandbox.all(byProcess ? 'IDocumentFlowTasks' : 'IApprovalTasks')).toHaveLength(1);
  expect(await approvals.start({ ...request, type: 'free' })).toEqual({ ...started, started: false });

  expect(await states.newestTask(made.id)).toMatchObject({ id: started.taskId, status: 'InProcess' });
  sandbox.approve(started.taskId);
  sandbox.sign(made.id);
  expect(await states.read(made.id)).toMatchObject({
    internalApprovalState: 'Signed',
    modified: expect.stringMatching(/^\d{4}-/),
    ourSignatory: expect.any(String),
  });
  const stored = await states.fetchSigned({ id: made.id, name: 'Договор' });
  expect(stored).toMatchObject({ size: expect.any(Number), name: expect.stringMatching(/\./) });
  await stored.cancel();
  expect(refused).toEqual([]);
});
