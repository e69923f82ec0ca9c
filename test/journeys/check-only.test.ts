import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { addDeal, lostCalls, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const CREATE = 'directum_create_contract';
const check = (deal: number, code: string, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, code, { check_only: 'Y', ...properties });
/** What a portal is asked that changes something; the answer to the step is none of it. */
const WRITES =
  /\.(add|update|set|delete|execute|upload)$|notify|^crm\.timeline\.comment|^tasks\.task\.(add|update|complete)/;
const writes = (from: number) =>
  stand.portal.journal
    .slice(from)
    .map(({ method }) => method)
    .filter((method) => WRITES.test(method));

it('finds every problem at once and writes nothing in either system', async () => {
  const { deal } = addDeal(stand, {
    requisite: { RQ_INN: '7799000013', RQ_KPP: 'x', RQ_COMPANY_NAME: 'Ромашка' },
  });
  stand.directum.misbehave.refuseWrites = true;
  stand.portal.misbehave.refuseWrites = true;
  const from = stand.portal.journal.length;
  const found = await check(deal, CREATE, {
    subject: '',
    document_kind: 'Нет такого вида',
    vat_rate: 'сорок',
    valid_from: '01.13.2026x',
    department: 'Нет такого подразделения',
    template: 'Нет такого шаблона',
    extra_fields: 'NoSuch=1',
  });
  expect(found).toMatchObject({ ok: 'N', created: 'N', document_id: '' });
  const lines = String(found['problems']).split('\n');
  expect(lines.map((line) => line.split(':')[0])).toEqual([
    'input_missing',
    'input_invalid',
    'reference_not_found',
    'reference_not_found',
    'reference_not_found',
    'reference_not_found',
    'input_invalid',
    'requisites_invalid',
    'requisites_invalid',
  ]);
  expect(lines[0]).toContain('«Содержание»');
  expect(found['error_code']).toBe('input_missing');
  expect(lines[0]).toContain(String(found['error_text']));
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
  expect(stand.portal.misbehave.refusedWrites).toBe(0);
  expect(writes(from)).toEqual([]);
});

it('says that all is well, tells what is known, and takes no slot', async () => {
  const { deal } = addDeal(stand);
  await runStep(stand, deal, 'directum_sync_counterparty', {});
  stand.directum.misbehave.refuseWrites = true;
  stand.portal.misbehave.refuseWrites = true;
  const from = stand.portal.journal.length;
  const well = await check(deal, CREATE, { subject: 'Поставка' });
  expect(well).toMatchObject({ ok: 'Y', error_code: '', problems: '', created: 'N', document_id: '' });
  expect(well['counterparty_id']).not.toBe('');
  expect(await check(deal, 'directum_sync_counterparty')).toMatchObject({
    ok: 'Y',
    problems: '',
    counterparty_id: well['counterparty_id'],
  });
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
  expect(stand.portal.misbehave.refusedWrites).toBe(0);
  expect(writes(from)).toEqual([]);
  stand.directum.misbehave.reset();
  stand.portal.misbehave.reset();
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  expect(made).toMatchObject({ ok: 'Y', created: 'Y' });
  expect(await check(deal, CREATE, { subject: 'Поставка' })).toMatchObject({
    ok: 'Y',
    created: 'N',
    document_id: made['document_id'],
  });
});

it('checks a further document: its type, its leading document, its number', async () => {
  const { deal } = addDeal(stand);
  stand.directum.misbehave.refuseWrites = true;
  stand.portal.misbehave.refuseWrites = true;
  const found = await check(deal, 'directum_create_document', {
    document_type: 'act',
    require_signed: 'both',
    number: '5',
    payment_due: '01.03.2026',
  });
  expect(
    String(found['problems'])
      .split('\n')
      .map((line) => line.split(':')[0]),
  ).toEqual(['input_missing', 'input_invalid', 'document_not_found']);
  expect(await check(deal, 'directum_create_document', { document_type: 'нет' })).toMatchObject({
    ok: 'N',
    error_code: 'input_invalid',
  });
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
  expect(stand.portal.misbehave.refusedWrites).toBe(0);
});

it('waits for a system that is away', async () => {
  const { deal } = addDeal(stand, { requisite: null });
  stand.directum.misbehave.next({ verb: 'GET', path: 'IContracts', status: 503 });
  const found = await check(deal, CREATE, { subject: 'Поставка' });
  expect(found).toMatchObject({ ok: 'N', error_code: 'requisites_invalid' });
});

/** A step that does not wait for its answer, on a deal without requisites. */
async function unawaited(properties: Record<string, string>): Promise<number> {
  const [call] = await lostCalls(stand, 1, CREATE, { subject: '', ...properties });
  const body = new URLSearchParams({ ...call!.form, use_subscription: 'N' });
  expect((await fetch(`${stand.url}/bitrix24/robots/${CREATE}`, { method: 'POST', body })).status).toBe(200);
  const isOver = () =>
    stand.lines.some((line) => line.includes('run.failed') && line.includes(`"DEAL_${call!.deal}"`));
  await expect.poll(isOver, { timeout: 10_000 }).toBe(true);
  return call!.deal;
}

it('leaves neither a comment nor a notice, whether its step waits or not', async () => {
  const { deal, user } = addDeal(stand, { requisite: null });
  expect(await check(deal, CREATE, { subject: '' })).toMatchObject({ ok: 'N' });
  const silent = await unawaited({ check_only: 'Y' });
  // What is told of work that failed later has nothing before it.
  const told = await unawaited({});
  await expect.poll(() => stand.portal.timeline(2, told).length, { timeout: 20_000 }).toBe(1);
  expect(stand.portal.timeline(2, deal)).toEqual([]);
  expect(stand.portal.timeline(2, silent)).toEqual([]);
  expect(stand.portal.notices().filter(({ userId }) => userId === user)).toEqual([]);
});
