import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore } from '../../src/store/store.ts';
import { runCommand, runOnTerminal, runProcess } from './command.ts';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';

const CREATE = 'directum_create_contract';
/** Rows by which processes keep to a pace, and tokens: no memory of what is shown. */
const PACES = ['clock', 'watch', 'portal_budget', 'keyv', 'cache_entry', 'comparison'];

let stand: Stand;
let deals: number[];
let documents: number[];
let task: number;

beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
  stand.portal.addUser({ NAME: 'Анна', LAST_NAME: 'Петрова', EMAIL: 'petrova@acme.example' });
  deals = [1, 2, 3].map(() => addDeal(stand).deal);
  documents = [];
  for (const deal of deals) {
    const made = await runStep(stand, deal, CREATE, { subject: 'Сверка', template: 'Типовой договор' });
    documents.push(Number(made['document_id']));
  }
  await startTask(stand, documents[0] as number);
}, 90_000);
afterAll(() => stand.stop());

const fieldOf = (deal: number, part: string) => Number(stand.portal.item(2, deal)[`UF_CRM_DIRECTUM_${part}`]);
const code = (n: number) => `DEAL_${deals[n]}`;

/** Everything our database says, but for paces. */
async function digest(): Promise<Record<string, string>> {
  const keys = createSecretKeys(parseSecretKeys(`x:${Buffer.alloc(32, 1).toString('base64')}`));
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const store = await openStore({
    databaseUrl: stand.databaseUrl ?? undefined,
    dataDir: stand.dataDir,
    keys,
    log,
    now: () => new Date(),
    onlyOpen: true,
  });
  try {
    const { rows } = await store.pool.query(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    const found: Record<string, string> = {};
    for (const { name } of rows) {
      if (PACES.includes(name)) continue;
      const all = await store.pool.query(
        `SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS sum FROM "${name}" t`,
      );
      found[name] = all.rows[0].sum;
    }
    return found;
  } finally {
    await store.close();
  }
}

/** Methods by which a portal would be changed. */
const writes = () =>
  stand.portal.journal.filter(({ method }) =>
    /\.(update|add|set|complete|renew|delete|execute)$/.test(String(method)),
  ).length;
const changes = () => stand.directum.journal.filter(({ verb }) => verb !== 'GET').length;

it('finds nothing where all is equal', async () => {
  await expect.poll(() => stand.portal.tasks().length, { timeout: 20_000 }).toBe(1);
  [task] = [...stand.portal.world.tasks.keys()] as [number];
  await expect.poll(() => deals.map((deal) => fieldOf(deal, 'ID'))).toEqual(documents);
  await expect.poll(() => deals.map((deal) => stand.portal.activities(2, deal).length)).toEqual([1, 1, 1]);
  await stand.pause();
  expect(await runCommand('reconcile', ['--dry-run'], stand.env)).toEqual({
    code: 0,
    err: '',
    out: 'documents compared: 3, items that differed: 0\n',
  });
}, 60_000);

it('says with causes what differs, writes nothing when told so, and repairs it without that', async () => {
  const [first, second] = deals as [number, number];
  stand.portal.setItem(2, first, { UF_CRM_DIRECTUM_ID: 1, UF_CRM_DIRECTUM_STATUS: null });
  const [activity] = stand.portal.activities(2, second);
  stand.portal.world.activities.splice(stand.portal.world.activities.indexOf(activity!), 1);
  Object.assign(stand.portal.world.tasks.get(task)!, { DEADLINE: '2031-01-01T00:00:00+03:00' });
  // A change that nobody was told of yet.
  stand.directum.patch('IContracts', documents[2] as number, { RegistrationNumber: '77-А' });

  const before = { tables: await digest(), writes: writes(), changes: changes() };
  const dry = await runProcess('reconcile', ['--dry-run'], stand.env);
  expect({ tables: await digest(), writes: writes(), changes: changes() }).toEqual(before);
  expect(dry).toMatchObject({ code: 2, err: '' });
  const lines = dry.out.trim().split('\n');
  expect(lines).toHaveLength(4);
  const of = (n: number) => lines.find((line) => line.startsWith(`${code(n)} document ${documents[n]}: `));
  expect(of(0)).toContain(`field UF_CRM_DIRECTUM_ID: «1» instead of «${documents[0]}»`);
  expect(of(0)).toContain('field UF_CRM_DIRECTUM_STATUS: «» instead of «on_approval»');
  expect(of(0)).toMatch(new RegExp(`task ${task} deadline: «2031-01-01T[^»]+» instead of «[^»]*»`));
  expect(of(1)).toBe(`${code(1)} document ${documents[1]}: activity: missing`);
  expect(of(2)).toContain('field UF_CRM_DIRECTUM_NUMBER: «» instead of «77-А»');
  expect(of(2)).toContain('activity number: «» instead of «77-А»');
  expect(lines.at(-1)).toBe('documents compared: 3, items that differed: 3');

  // One item, in Russian: the others stay as they are.
  const one = await runCommand('reconcile', ['--item', String(second)], {
    ...stand.env,
    LANG: 'ru_RU.UTF-8',
  });
  expect(one).toEqual({
    code: 0,
    err: '',
    out: `${code(1)} документ ${documents[1]}: дело: нет\nдокументов сравнено: 1, элементов с отличиями: 1\n`,
  });
  expect(stand.portal.activities(2, second)).toHaveLength(1);
  expect(fieldOf(first, 'ID')).toBe(1);

  const all = await runOnTerminal('reconcile', [], stand.env);
  expect(all.code).toBe(0);
  expect(all.out.match(/^DEAL_\d+ /gm)?.sort()).toEqual([`${code(0)} `, `${code(2)} `].sort());
  expect(all.err).toMatch(/3 of 3 documents, about \d+ min left/);
  expect(fieldOf(first, 'ID')).toBe(documents[0]);
  expect(stand.portal.item(2, deals[2] as number)['UF_CRM_DIRECTUM_NUMBER']).toBe('77-А');
  expect(String(stand.portal.tasks()[0]?.['DEADLINE'])).not.toContain('2031');
  expect(await runCommand('reconcile', ['--dry-run'], stand.env)).toMatchObject({ code: 0 });
}, 60_000);

it('names what it could not compare, and why', async () => {
  const { host } = new URL(stand.portal.url);
  stand.portal.misbehave.next({ status: 503, times: 1_000 });
  const away = await runCommand('reconcile', ['--dry-run'], stand.env);
  expect(away).toMatchObject({ code: 1, out: expect.stringContaining('3 could not be read or compared') });
  expect(away.err).toContain(`not compared (documents: 3): ${host}: The portal`);
  stand.portal.misbehave.reset();
  stand.directum.misbehave.down = true;
  const { code: exit, err } = await runCommand('reconcile', [], { ...stand.env, LANG: 'ru' });
  expect(exit).toBe(1);
  expect(err).toContain('не сравнено (документов: 3): Directum не отвечает');
  stand.directum.misbehave.reset();
}, 60_000);

it('refuses an item that shows nothing, and one that is none', async () => {
  expect(await runCommand('reconcile', ['--item', 'DEAL_999999'], stand.env)).toEqual({
    code: 1,
    out: '',
    err: 'DEAL_999999 shows no document that the service watches\n',
  });
  expect(await runCommand('reconcile', ['--item', 'the deal'], stand.env)).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('--item: '),
  });
});

it('names a portal that does not accept the tokens any more', async () => {
  const { host } = new URL(stand.portal.url);
  stand.portal.misbehave.expireAccessTokens();
  stand.portal.misbehave.killRefreshTokens();
  const first = await runCommand('reconcile', ['--dry-run'], stand.env);
  expect(first).toMatchObject({ code: 1, err: expect.stringContaining(`${host}: `) });
  const { code: exit, err } = await runCommand('reconcile', [], stand.env);
  expect({ exit, err }).toEqual({
    exit: 1,
    err: `  ! ${host}: The portal no longer accepts our tokens. Let an administrator open the application’s page.\n`,
  });
}, 60_000);
