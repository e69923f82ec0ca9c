import { afterEach, expect, it, vi } from 'vitest';
import type { Ahead } from '../../../src/bitrix24/robots/read-ahead.ts';
import { fakePortal, installed, MEMBER, type Methods, type Params, PROVEN, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const server of open.splice(0)) server.close();
});

const asList = (value: unknown) => (Array.isArray(value) ? value : Object.values((value ?? {}) as object));
const asked = (filter: Params, key: string) => asList(filter[key]).map(Number);
const rowsOf = (ids: number[], row: (id: number) => Params) => ids.map(row);
const page = <T>(rows: T[], start: unknown) => rows.slice(Number(start ?? 0)).slice(0, 50);

/** Deals 1 to 99, each of a company with the same number that has one requisite, `requisites` of them; one responsible. */
function crm(requisites = 1): Methods {
  const requisite = (owner: number, n: number) => ({
    ID: String(owner * 1_000 + n),
    ENTITY_TYPE_ID: '4',
    ENTITY_ID: String(owner),
    SORT: String(100 - n),
    ACTIVE: 'Y',
    PRESET_ID: '1',
    RQ_INN: `${owner}`,
    RQ_KPP: `${n}`,
  });
  const item = (typeId: number, id: number): Params =>
    typeId === 2
      ? { id, title: `Deal ${id}`, companyId: id, contactIds: [], assignedById: 5 }
      : { id, title: `Company ${id}`, fm: [] };
  return {
    'crm.item.list': ({ entityTypeId, filter }) => ({
      items: rowsOf(asked(filter, '@id'), (id) => item(Number(entityTypeId), id)),
    }),
    'crm.item.get': ({ entityTypeId, id }) => ({ item: item(Number(entityTypeId), Number(id)) }),
    'crm.item.fields': () => ({ fields: {} }),
    'crm.requisite.link.list': () => [],
    'crm.requisite.link.get': () => refuse('', 400, 'Entity not found.'),
    'crm.requisite.preset.list': () => [{ ID: '1', COUNTRY_ID: '1' }],
    'crm.requisite.list': ({ filter, start }) => {
      const owners = filter['@ENTITY_ID'] === undefined ? [filter.ENTITY_ID] : asked(filter, '@ENTITY_ID');
      const rows = owners.flatMap((owner) =>
        Array.from({ length: requisites }, (_, n) => requisite(Number(owner), n)),
      );
      return page(
        rows.sort((one, other) => Number(one.SORT) - Number(other.SORT) || Number(one.ID) - Number(other.ID)),
        start,
      );
    },
    'crm.requisite.bankdetail.list': () => [],
    'crm.address.list': () => [],
    'user.get': ({ FILTER, ID }) => rowsOf(FILTER ? asked(FILTER, 'ID') : [Number(ID)], (id) => ({ ID: id })),
    'bizproc.activity.log': ({ EVENT_TOKEN }) =>
      EVENT_TOKEN.includes('forged')
        ? refuse('ACCESS_DENIED', 403, 'Access denied!')
        : refuse('ERROR_EMPTY_LOG_MESSAGE', 400, 'Empty log message!'),
    profile: () => ({ ID: '1' }),
  };
}

const DEALS = [1, 2, 3].map((id) => ({ typeId: 2, id, code: `DEAL_${id}` }));

async function start(change: (methods: Methods) => Methods = (methods) => methods, requisites = 1) {
  const portal = await fakePortal(change(crm(requisites)));
  open.push(portal);
  const made = await installed(portal, { provesCalls: true });
  const ahead = async (given: { refs?: typeof DEALS; tokens?: string[]; accepted?: boolean } = {}) => {
    const read = new Map<number, Ahead>();
    const runs = (given.refs ?? DEALS).map((item, index) => ({
      run: item.id,
      item,
      properties: {},
      eventToken: given.tokens?.[index] ?? `w|A|${item.id}`,
      accepted: given.accepted ?? true,
    }));
    await made.readAhead.read(MEMBER, runs, (id, one) => void read.set(id, one));
    return read;
  };
  const read = (id: number, { items }: Ahead) =>
    made.reader(MEMBER, { typeId: 2, id, code: `DEAL_${id}` }, made.log, PROVEN, { many: items }).read();
  const refusals = () => made.lines.filter((line) => line.includes('portal.not_read_ahead'));
  return { portal, made, ahead, read, refusals, hits: () => portal.hits.length };
}

it('three hits of lists are all that items cost, and their readings cost none', async () => {
  const { ahead, read, hits, made } = await start();
  const refs = Array.from({ length: 90 }, (_, n) => ({ typeId: 2, id: n + 1, code: `DEAL_${n + 1}` }));
  const many = await ahead({ refs });
  expect(hits()).toBe(3);
  expect(new Set(made.taken.map(([, priority]) => priority))).toEqual(new Set(['ahead']));
  for (const { id } of refs)
    expect(await read(id, many.get(id) as Ahead)).toMatchObject({
      title: `Deal ${id}`,
      party: { id, requisite: { inn: `${id}` } },
    });
  expect(hits()).toBe(3);
});

it('follows the pages of owners with many rows, and takes the first by its sort', async () => {
  const { ahead, read } = await start(undefined, 60);
  const many = await ahead();
  for (const { id } of DEALS)
    expect((await read(id, many.get(id) as Ahead)).party?.requisite).toMatchObject({
      inn: `${id}`,
      kpp: '59',
    });
});

it('what a list leaves out is read singly before anything is concluded, in the same waves', async () => {
  const { ahead, read, hits } = await start((methods) => ({
    ...methods,
    'crm.item.list': ({ entityTypeId, filter }, token) => {
      const { items } = methods['crm.item.list']!({ entityTypeId, filter }, token) as { items: Params[] };
      return { items: items.filter(({ id }) => id === 3) };
    },
    'crm.item.get': (params, token) =>
      Number(params['entityTypeId']) === 2 && Number(params['id']) === 2
        ? refuse('NOT_FOUND')
        : methods['crm.item.get']!(params, token),
  }));
  const many = await ahead();
  const before = hits();
  expect(before).toBe(5);
  expect(await read(1, many.get(1) as Ahead)).toMatchObject({ title: 'Deal 1', party: { id: 1 } });
  await expect(read(2, many.get(2) as Ahead)).rejects.toMatchObject({ code: 'item_not_found' });
  expect(await read(3, many.get(3) as Ahead)).toMatchObject({ title: 'Deal 3' });
  expect(hits()).toBe(before);
});

it.each(['crm.item.list', 'crm.requisite.link.list', 'crm.requisite.list', 'crm.address.list', 'batch'])(
  'a portal that refuses %s is read singly for ten minutes, which is logged once',
  async (method) => {
    const { made, ahead, read, refusals } = await start((methods) => ({
      ...methods,
      [method]: (params) =>
        method !== 'crm.requisite.list' || params['filter']['@ENTITY_ID'] !== undefined
          ? refuse('ACCESS_DENIED', 400, 'Access denied.')
          : methods[method]!(params, ''),
    }));
    const many = await ahead({ accepted: false });
    expect([...many.values()]).toEqual(DEALS.map(() => ({ items: null, proof: null })));
    expect(made.readAhead.isOpen(MEMBER)).toBe(false);
    expect(refusals()).toHaveLength(1);
    if (method !== 'batch') expect(await read(1, many.get(1) as Ahead)).toMatchObject({ title: 'Deal 1' });
    const time = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(time + 600_001);
    expect(made.readAhead.isOpen(MEMBER)).toBe(true);
  },
);

it('a portal that is away is asked again soon', async () => {
  const { made, ahead } = await start((methods) => ({
    ...methods,
    'crm.item.list': () => refuse('INTERNAL_SERVER_ERROR', 500),
  }));
  expect((await ahead()).get(1)).toEqual({ items: null, proof: null });
  const time = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(time + 15_001);
  expect(made.readAhead.isOpen(MEMBER)).toBe(true);
});

it('rows of others mean that the filter was not heeded: nothing is concluded from them', async () => {
  const { ahead, read } = await start((methods) => ({
    ...methods,
    'crm.requisite.list': (params, token) =>
      params['filter']['@ENTITY_ID'] === undefined
        ? methods['crm.requisite.list']!(params, token)
        : [{ ID: '7', ENTITY_TYPE_ID: '4', ENTITY_ID: '777', RQ_INN: 'another' }],
  }));
  const many = await ahead();
  expect(many.get(1)?.items).toBeNull();
  expect((await read(1, many.get(1) as Ahead)).party?.requisite?.inn).toBe('1');
});

it('what was read more than a minute ago is read again', async () => {
  const { ahead, read, portal } = await start();
  const many = await ahead();
  const title = (name: string) => ({ item: { id: 1, title: name, contactIds: [] } });
  portal.methods['crm.item.get'] = () => title('newer');
  expect((await read(1, many.get(1) as Ahead)).title).toBe('Deal 1');
  const time = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(time + 60_001);
  expect((await read(1, many.get(1) as Ahead)).title).toBe('newer');
});

it('proofs come forty-nine in a hit beside one witness; those that may share none ask for themselves', async () => {
  const { ahead, portal } = await start();
  const refs = Array.from({ length: 98 }, (_, n) => ({ typeId: 2, id: n + 1, code: `DEAL_${n + 1}` }));
  const tokens = refs.map(({ id }) => (id === 50 ? 'w|A|$result[p0]' : `w|A|${id}`));
  const many = await ahead({ refs, tokens, accepted: false });
  const hits = portal.hits.map(({ params }) => Object.keys(params['cmd']).length);
  expect(hits.slice(3)).toEqual([50, 49]);
  expect(many.get(50)?.proof).toBeNull();
  expect(many.get(1)?.proof).toMatchObject({
    witness: { ok: true },
    proof: { error: 'ERROR_EMPTY_LOG_MESSAGE' },
  });
});

it.each([
  ['w|A|genuine', 'accepted'],
  ['w|A|forged', 'ForgedCall'],
])('a proof heard in a shared hit counts as one asked alone: %s is %s', async (token, expected) => {
  const { ahead, made, hits } = await start();
  const many = await ahead({ refs: DEALS.slice(0, 2), tokens: [token, 'w|A|other'], accepted: false });
  const before = hits();
  const proof = made.proofOf(
    {
      memberId: MEMBER,
      eventToken: token,
      workflowId: 'w',
      receivedAt: new Date(),
      accepted: false,
      heard: many.get(1)?.proof,
      onAccepted: async () => undefined,
    },
    made.log,
  );
  const outcome = await proof.demand().then(
    () => 'accepted',
    ({ name }: Error) => name,
  );
  expect([outcome, hits()]).toEqual([expected, before]);
});
