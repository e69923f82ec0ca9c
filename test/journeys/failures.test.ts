import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { addDeal, lostCalls, runStep, type Stand, startStand } from './stand.ts';

/** What people are told of runs that ended badly (interface.md §5, Failures). */
const CODE = 'directum_create_contract';
const EMPTY = { subject: '' };
const TITLE = 'Directum: создать договор';
let stand: Stand;
let aheadMs = 0;

beforeAll(async () => {
  stand = await startStand({ now: () => new Date(Date.now() + aheadMs) });
}, 30_000);
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
});

const comments = (deal: number) => stand.portal.timeline(2, deal).map(({ comment }) => comment);
const told = (user: number) => stand.portal.notices().filter((notice) => notice.userId === user);
const journal = (method: string) => stand.portal.journal.filter((entry) => entry.method === method);
const settle = (count: () => number, wanted: number, timeout = 20_000) =>
  expect.poll(count, { timeout, interval: 50 }).toBe(wanted);
/** Notices of one person are gathered for five seconds, which pass faster here. */
const settleNotices = (user: number, wanted: number) =>
  expect
    .poll(
      () => {
        const { length } = told(user);
        if (length !== wanted) aheadMs += 500;
        return length;
      },
      { timeout: 20_000, interval: 50 },
    )
    .toBe(wanted);
/** A deal with a responsible person of its own, so that notices make no digest. */
const ownDeal = (changes: Record<string, unknown> = {}) =>
  addDeal(stand, { email: `user${Math.random()}@acme.example`, deal: changes });

async function send(form: Record<string, string>, code = CODE): Promise<number> {
  const response = await fetch(`${stand.url}/bitrix24/robots/${code}`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  return response.status;
}

/** Calls of one stage each whose step does not wait. */
async function unawaited(count: number) {
  const calls = await lostCalls(stand, count, CODE, EMPTY);
  return calls.map(({ deal, form }) => {
    const not: Record<string, string> = { ...form, use_subscription: 'N' };
    return { deal, form: not };
  });
}

/** Starts the service anew with other settings. */
async function withSettings(settings: Record<string, string>): Promise<void> {
  Object.assign(stand.env, settings);
  await stand.restart();
}

it('a run that ended badly leaves a comment in its item and a notice with a link to its responsible', async () => {
  const { deal, user } = ownDeal();
  const outputs = await runStep(stand, deal, CODE, EMPTY);
  expect(outputs).toMatchObject({ ok: 'N', error_code: 'input_missing' });
  await settle(() => comments(deal).length, 1);
  const said = `${TITLE}: ${outputs['error_text']} (${outputs['run_id']})`;
  expect(comments(deal)).toEqual([said]);
  await settleNotices(user, 1);
  expect(told(user)[0]?.message).toBe(
    `${said}\nЭлемент CRM: Поставка станка ${stand.portal.url}/crm/deal/details/${deal}/`,
  );
});

it('the same again within 24 hours leaves nothing new, after them it does', async () => {
  const { deal, user } = ownDeal();
  await runStep(stand, deal, CODE, EMPTY);
  await settle(() => comments(deal).length, 1);
  await settleNotices(user, 1);
  aheadMs += 23 * 3_600_000;
  await runStep(stand, deal, CODE, EMPTY);
  // Another code of the same deal is told, and comes after what the repetition would leave.
  await runStep(stand, deal, CODE, { subject: 'x', amount: 'много' });
  await settle(() => comments(deal).length, 2);
  expect(comments(deal)[1]).toContain('много');
  aheadMs += 2 * 3_600_000;
  await runStep(stand, deal, CODE, EMPTY);
  await settle(() => comments(deal).length, 3);
  await settleNotices(user, 3);
});

it('a run that ended well costs the portal nothing more and leaves nothing', async () => {
  const { deal, user } = addDeal(stand);
  const from = stand.portal.journal.length;
  expect(await runStep(stand, deal, CODE, { subject: 'Поставка' })).toMatchObject({ ok: 'Y' });
  const other = ownDeal();
  await runStep(stand, other.deal, CODE, EMPTY);
  await settle(() => comments(other.deal).length, 1);
  expect([comments(deal), told(user)]).toEqual([[], []]);
  const asked = stand.portal.journal
    .slice(from)
    .filter(({ method }) => /timeline.comment|im.notify/.test(method));
  expect(JSON.stringify(asked.map(({ params }) => params))).not.toContain(`"${deal}"`);
});

it('no word of Directum, of the deal or of an input becomes markup', async () => {
  const { deal, user } = ownDeal({ title: '[url=https://evil.example]Сделка[/url] <b>' });
  await runStep(stand, deal, CODE, { subject: 'x', amount: '[b]<i>много</i>[/b] $result[w0]' });
  await settleNotices(user, 1);
  await settle(() => comments(deal).length, 1);
  for (const text of [comments(deal)[0], told(user)[0]?.message]) expect(text).not.toMatch(/[[\]<>]/);
  expect(comments(deal)[0]).toContain('(b)‹i›много‹/i›(/b) $result(w0)');
});

it('the responsible of a company is told as that of a deal', async () => {
  const user = stand.portal.addUser({ NAME: 'Пётр', EMAIL: 'company@acme.example' });
  const company = stand.portal.addCompany({ TITLE: 'Без реквизитов', assignedById: user });
  const sync = 'directum_sync_counterparty';
  stand.portal.placeRobot('C1:COMPANY', sync, {}, { entityTypeId: 4 });
  const workflow = await stand.portal.moveItem(4, company, 'C1:COMPANY');
  const { outputs } = await stand.portal.waitForStep(workflow, sync, 15_000);
  expect(outputs).toMatchObject({ error_code: 'requisites_invalid' });
  await settleNotices(user, 1);
  expect(told(user)[0]?.message).toContain(`/crm/company/details/${company}/`);
  expect(stand.portal.timeline(4, company)).toHaveLength(1);
});

it('the installer is told for a responsible who is dismissed', async () => {
  const { deal, user } = ownDeal();
  const dismissed = stand.portal.world.users.get(user);
  if (dismissed) dismissed['ACTIVE'] = false;
  await runStep(stand, deal, CODE, EMPTY);
  await settle(() => told(1).filter(({ message }) => message.includes(`/${deal}/`)).length, 1);
  expect(told(1).at(-1)?.message).toContain('Сообщение пришло вам, потому что');
  expect(told(user)).toEqual([]);
});

it('a comment or a notice whose answer was lost is left once', async () => {
  const { deal, user } = ownDeal();
  stand.portal.misbehave.next({ method: 'crm.timeline.comment.add', cutAfterEffect: true });
  for (const holding of ['crm.timeline.comment.add', 'im.notify'])
    stand.portal.misbehave.next({ method: 'batch', holding, cutAfterEffect: true });
  await runStep(stand, deal, CODE, EMPTY);
  await settleNotices(user, 1);
  await settle(() => comments(deal).length, 1);
  aheadMs += 60_000;
  await settle(() => journal('crm.timeline.comment.list').length, 1);
  const other = ownDeal();
  await runStep(stand, other.deal, CODE, { subject: 'x', amount: 'после' });
  await settle(() => comments(other.deal).length, 1);
  expect([comments(deal).length, told(user).length]).toEqual([1, 1]);
  const tries = journal('crm.timeline.comment.add').filter(({ params }) =>
    JSON.stringify(params).includes(`"${deal}"`),
  );
  expect(tries).toHaveLength(1);
});

it('a portal that speaks English is told in English', async () => {
  const english = await startStand({ portal: { language: 'en' } });
  try {
    const { deal, user } = addDeal(english);
    const outputs = await runStep(english, deal, CODE, EMPTY);
    const notice = () => english.portal.notices().find(({ userId }) => userId === user)?.message ?? '';
    await expect.poll(notice, { timeout: 20_000 }).toContain('CRM item: Поставка станка');
    const said = `Directum: create contract: ${outputs['error_text']} (${outputs['run_id']})`;
    expect(notice()).toContain(said);
    expect(english.portal.timeline(2, deal)[0]?.comment).toBe(said);
  } finally {
    await english.stop();
  }
}, 40_000);

it('what was not told before the service stopped is told when it is back, once', async () => {
  const { deal, user } = ownDeal();
  const broken = { status: 502, body: 'Bad Gateway' };
  for (const holding of ['crm.timeline.comment', 'im.notify'])
    stand.portal.misbehave.next({ method: 'batch', holding, ...broken, times: 1_000 });
  for (const method of ['crm.timeline.comment.add', 'crm.timeline.comment.list'])
    stand.portal.misbehave.next({ method, ...broken, times: 1_000 });
  stand.portal.placeRobot('C1:BACK', CODE, EMPTY);
  const workflow = await stand.portal.moveItem(2, deal, 'C1:BACK');
  await stand.portal.waitForStep(workflow, CODE, 15_000);
  await stand.restart();
  expect([comments(deal), told(user)]).toEqual([[], []]);
  stand.portal.misbehave.reset();
  aheadMs += 3_600_000;
  await settle(() => comments(deal).length, 1);
  await settleNotices(user, 1);
}, 40_000);

it('a portal from which the application was removed hears nothing of what failed before', async () => {
  const { deal, user } = ownDeal();
  const broken = { status: 502, body: 'Bad Gateway', times: 1_000 };
  for (const holding of ['crm.timeline.comment', 'im.notify'])
    stand.portal.misbehave.next({ method: 'batch', holding, ...broken });
  stand.portal.misbehave.next({ method: 'crm.timeline.comment.add', ...broken });
  await runStep(stand, deal, CODE, EMPTY);
  await stand.portal.uninstall();
  await stand.portal.settled();
  stand.portal.misbehave.reset();
  await stand.portal.install(`${stand.url}/bitrix24/install`);
  aheadMs += 3_600_000;
  const other = ownDeal();
  await runStep(stand, other.deal, CODE, EMPTY);
  await settleNotices(other.user, 1);
  expect([comments(other.deal).length, comments(deal), told(user)]).toEqual([1, [], []]);
}, 40_000);

it.each([
  ['comment', 1, 0],
  ['notice', 0, 1],
  ['off', 0, 0],
  ['both', 1, 1],
] as const)(
  'FAILURES_SHOWN=%s: comments and notices of steps that wait and of those that do not',
  async (shown, leftOfWaiting, noticed) => {
    await withSettings({ FAILURES_SHOWN: shown });
    const [waiting, not] = [ownDeal(), (await unawaited(1))[0]];
    const { run_id: id } = await runStep(stand, waiting.deal, CODE, EMPTY);
    const own = stand.portal.item(2, not?.deal as number);
    own['assignedById'] = stand.portal.addUser({ NAME: 'Н', EMAIL: `n${shown}@acme.example` });
    expect(await send(not?.form ?? {})).toBe(200);
    await settle(() => comments(not?.deal as number).length, 1);
    await settleNotices(own['assignedById'] as number, noticed);
    await settleNotices(waiting.user, noticed);
    await settle(() => comments(waiting.deal).length, leftOfWaiting);
    // Both were decided, so that what is not there will not come.
    const kinds = (runId: unknown) =>
      stand.lines
        .filter((line) => line.includes('"failure.told"') && line.includes(`"${runId}"`))
        .flatMap((line) => JSON.parse(line).kinds);
    const wanted = (comment: number) => [...Array(comment).fill('comment'), ...Array(noticed).fill('notice')];
    expect(kinds(id)).toEqual(wanted(leftOfWaiting));
    expect(kinds(/\((\w+)\)$/.exec(comments(not?.deal as number)[0] ?? '')?.[1])).toEqual(wanted(1));
    const answered = journal('bizproc.event.send').filter(
      ({ params }) => params['EVENT_TOKEN'] === not?.form['event_token'],
    );
    expect(answered).toEqual([]);
  },
  40_000,
);

it('of thirty items within an hour ten are told one by one and one person of all, in few hits; answers go first', async () => {
  aheadMs += 2 * 3_600_000;
  const calls = await lostCalls(stand, 30, CODE, EMPTY);
  const from = stand.portal.journal.length;
  const before = told(1).length;
  const users = new Set<number>();
  for (const { deal, form } of calls) {
    const user = stand.portal.addUser({ NAME: 'М', EMAIL: `mass${deal}@acme.example` });
    users.add(user);
    stand.portal.setItem(2, deal, { assignedById: user });
    expect(await send(form)).toBe(200);
  }
  const noticed = () => [...users].flatMap(told).length;
  await settle(() => calls.filter(({ deal }) => comments(deal).length === 1).length, 30, 30_000);
  await settle(noticed, 10);
  expect(told(1)).toHaveLength(before);
  aheadMs += 40_000;
  await settle(() => told(1).length, before + 1);
  expect(told(1).at(-1)?.message).toContain('в 30 элементах CRM за час, код ошибки input_missing');
  expect(noticed()).toBe(10);
  const seen = stand.portal.journal.slice(from);
  const hits = seen.filter(
    ({ viaBatch, method, params }) =>
      !viaBatch && /batch|comment|notify/.test(method) && !JSON.stringify(params).includes('event.send'),
  );
  expect(hits.length).toBeLessThan(45);
  const first = (method: string) => seen.findIndex((entry) => entry.method === method);
  expect(first('bizproc.event.send')).toBeLessThan(first('crm.timeline.comment.add'));
}, 90_000);
