import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPortals } from '../../../src/bitrix24/portals.ts';
import type { Ahead } from '../../../src/bitrix24/robots/read-ahead.ts';
import { toItemRef } from '../../../src/bitrix24/robots/robot-call.ts';
import type { ItemRef, ItemSnapshot, ReadRequest } from '../../../src/robot/ports/portal.ts';
import { type Portal, startPortal } from '../../sandbox/portal/portal.ts';
import { installation, memoryLocks, PROVEN } from '../fake-portal.ts';

const CONFIG = { clientId: 'local.sandbox.1', clientSecret: 'sandbox-secret' };
const SMART_PROCESS = 177;

let portal: Portal;
let portals: ReturnType<typeof createPortals>;
const log = { debug() {}, info() {}, warn() {}, error() {} };

beforeAll(async () => {
  portal = await startPortal({ ...CONFIG, rate: { perSecond: 10_000, bucket: 10_000 } });
  portal.addType(SMART_PROCESS);
  const stored = installation(
    { origin: portal.url },
    { memberId: portal.memberId, origin: portal.url, tokens: null },
  );
  const pair = portal.tokens();
  stored.tokens = {
    access: pair.accessToken,
    refresh: pair.refreshToken,
    expiresAt: '2100-01-01T00:00:00Z',
    userId: 1,
    serverOrigin: portal.url,
  };
  portals = createPortals({
    config: { ...CONFIG, publicUrl: 'https://d.example', portals: [portal.url], oauthServers: [portal.url] },
    store: { get: async () => stored, set: async () => undefined, list: async () => [stored] },
    locks: memoryLocks(),
    portalRate: { take: async () => undefined },
    robots: () => [],
    now: () => new Date(),
    log,
  });
  await portals.installations.load();
});
afterAll(() => portal.stop());

/** What is read of items together, by the item's code. */
async function readMany(
  refs: ItemRef[],
  properties: Record<string, string> = {},
): Promise<Map<string, Ahead>> {
  const read = new Map<string, Ahead>();
  const runs = refs.map((item) => ({ run: item.code, item, properties, eventToken: 't', accepted: true }));
  await portals.readAhead.read(portal.memberId, runs, (code, ahead) => void read.set(code, ahead));
  return read;
}

type Read = ItemSnapshot | { code: unknown };
const read = (ref: ItemRef, request: ReadRequest, many: Ahead['items']): Promise<Read> =>
  portals
    .reader(portal.memberId, ref, log, PROVEN, { many })
    .read(request)
    .catch(({ code }) => ({ code }));

/** What comes of it, and for how many hits. */
async function counting<T>(work: () => Promise<T>): Promise<[T, number]> {
  const before = portal.journal.length;
  const result = await work();
  return [result, portal.journal.slice(before).filter(({ viaBatch }) => !viaBatch).length];
}

const toComparable = (snapshot: Read) =>
  'users' in snapshot ? { ...snapshot, users: [...snapshot.users] } : snapshot;

const text = fc.option(fc.constantFrom('', '7799000012', ' 040140000123 ', 'Ромашка', '0'), {
  nil: undefined,
});
/** The installer's rights leave it out of lists, and a single reading is refused. */
const rarely = fc.nat({ max: 7 }).map((n) => n === 7);
const requisite = fc.record({
  SORT: fc.integer({ min: 1, max: 3 }),
  ACTIVE: fc.constantFrom('Y', 'Y', 'Y', 'N'),
  PRESET_ID: fc.integer({ min: 1, max: 8 }),
  RQ_INN: text,
  RQ_KPP: text,
  RQ_BIN: text,
  RQ_COMPANY_NAME: text,
  banks: fc.array(
    fc.record({
      SORT: fc.integer({ min: 1, max: 3 }),
      ACTIVE: fc.constantFrom('Y', 'Y', 'N'),
      RQ_ACC_NUM: text,
    }),
    { maxLength: 3 },
  ),
  addresses: fc.uniqueArray(fc.constantFrom(1, 4, 6, 8, 9), { maxLength: 4 }),
});
const owner = fc.record({
  name: text,
  phone: fc.option(fc.array(fc.constantFrom('+7 495 1', '+7 2'), { maxLength: 2 }), { nil: undefined }),
  requisites: fc.array(requisite, { maxLength: 3 }),
  isHidden: rarely,
});
const index = fc.option(fc.nat({ max: 5 }), { nil: undefined });
const item = fc.record({
  typeId: fc.constantFrom(2, 2, 2, 1, 7, 31, SMART_PROCESS, 3, 4),
  title: text,
  opportunity: fc.constantFrom(0, 10, 1200.5),
  currencyId: fc.constantFrom('RUB', 'KZT'),
  company: index,
  contact: index,
  own: index,
  user: fc.nat({ max: 5 }),
  /** Which of all requisites is chosen, and which for the own company. */
  chosen: index,
  bank: index,
  ownChosen: index,
  isHidden: rarely,
});
const world = fc.record({
  companies: fc.array(owner, { minLength: 1, maxLength: 4 }),
  contacts: fc.array(owner, { minLength: 1, maxLength: 3 }),
  items: fc.array(item, { minLength: 1, maxLength: 8 }),
  users: fc.array(fc.record({ EMAIL: text, NAME: text, ACTIVE: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  }),
  named: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** Writes the world into the portal; ids go on from one to the next. Answers its items. */
function lay({ companies, contacts, items, users }: World): { refs: ItemRef[]; people: number[] } {
  const requisites: number[] = [];
  const banks: number[] = [];
  const add = (typeId: number, { requisites: own, name, phone }: World['companies'][number]) => {
    const fields = { title: name ?? '', name: name ?? '', lastName: 'Ким', ...(phone && { phone }) };
    const id = portal.addItem(typeId, fields);
    for (const { banks: accounts, addresses, ...row } of own) {
      const requisiteId = portal.addRequisite({ ENTITY_TYPE_ID: typeId, ENTITY_ID: id, ...row });
      requisites.push(requisiteId);
      for (const account of accounts)
        banks.push(portal.addBankDetail({ ENTITY_ID: requisiteId, ...account }));
      for (const TYPE_ID of addresses)
        portal.addAddress({ ENTITY_ID: requisiteId, TYPE_ID, CITY: `Город ${TYPE_ID}`, COUNTRY: 'Россия' });
    }
    return id;
  };
  const withRights = (typeId: number, id: number, isHidden: boolean) => {
    if (isHidden) portal.rights.hide(1, typeId, id);
    return id;
  };
  const companyIds = companies.map((one) => withRights(4, add(4, one), one.isHidden));
  const contactIds = contacts.map((one) => withRights(3, add(3, one), one.isHidden));
  const people = users.map((one) => portal.addUser({ ...one }));
  // One beyond the list is somebody who is not there.
  const pick = (ids: number[], at: number | undefined) => (at === undefined ? 0 : (ids[at] ?? 900_000 + at));
  const refs = items.map((one) => {
    const own = { mycompanyId: pick(companyIds, one.own), companyId: pick(companyIds, one.company) };
    const fields = { title: one.title ?? '', opportunity: one.opportunity, currencyId: one.currencyId };
    const assignedById = pick(people, one.user);
    const id =
      one.typeId === 3 || one.typeId === 4
        ? add(one.typeId, { name: one.title, phone: undefined, requisites: [], isHidden: false })
        : portal.addItem(one.typeId, {
            ...fields,
            ...own,
            contactId: pick(contactIds, one.contact),
            assignedById,
          });
    withRights(one.typeId, id, one.isHidden);
    if (![1, 3, 4].includes(one.typeId) && (one.chosen !== undefined || one.ownChosen !== undefined))
      portal.setRequisiteLink(one.typeId, id, {
        REQUISITE_ID: pick(requisites, one.chosen),
        BANK_DETAIL_ID: pick(banks, one.bank),
        MC_REQUISITE_ID: pick(requisites, one.ownChosen),
      });
    const names: Record<number, string> = {
      1: 'LEAD',
      2: 'DEAL',
      3: 'CONTACT',
      4: 'COMPANY',
      7: 'QUOTE',
      31: 'SMART_INVOICE',
    };
    const code = `${names[one.typeId] ?? `DYNAMIC_${one.typeId}`}_${one.title === '0' ? 800_000 + id : id}`;
    return toItemRef(code) as ItemRef;
  });
  return { refs: [...new Map(refs.map((ref) => [ref.code, ref])).values()], people };
}

describe('items read by lists', () => {
  it('are what a single reading shows, whatever stands in the CRM', async () => {
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const { refs, people } = lay(given);
        const named = given.named === undefined ? undefined : (people[given.named] ?? 700_000);
        const many = await readMany(refs, named === undefined ? {} : { responsible: `user_${named}` });
        const request = named === undefined ? {} : { users: [named] };
        expect(portals.readAhead.isOpen(portal.memberId)).toBe(true);
        const alone: string[] = [];
        for (const ref of refs) {
          const { items } = many.get(ref.code) as Ahead;
          expect(items).not.toBeNull();
          const [together, hits] = await counting(() => read(ref, request, items));
          const [single, most] = await counting(() => read(ref, request, null));
          // An item whose company is gone and whose contact counts in its place is read by itself.
          if (hits > 0) alone.push(ref.code);
          expect(hits).toBeLessThanOrEqual(most);
          expect(toComparable(together)).toEqual(toComparable(single));
        }
        const strays = given.items.filter(({ company = 0 }) => company >= given.companies.length);
        expect(alone.length).toBeLessThanOrEqual(strays.length);
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
