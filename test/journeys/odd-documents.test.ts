import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';
import { inDatabase, withoutDirectumRate } from './stand-database.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
  await withoutDirectumRate(stand);
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const create = (deal: number, type: string, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, 'directum_create_document', { document_type: type, ...properties });
const contractOf = async (deal: number, properties: Record<string, unknown> = {}) =>
  Number(
    (await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка', ...properties }))[
      'document_id'
    ],
  );
const kind = (name: string) => stand.directum.all('IDocumentKinds').find((one) => one['Name'] === name)!;
const idOf = (reference: unknown) => (reference as { Id: number } | null)?.Id;
const linesOf = (document: number) =>
  inDatabase(stand, async ({ query }) => {
    const { rows } = await query('SELECT type, data FROM journal WHERE document_id = $1 ORDER BY id', [
      document,
    ]);
    return rows as { type: string; data: Record<string, unknown> }[];
  });
const fired = (deal: number) =>
  stand.portal.triggerRuns.filter(({ id }) => id === deal).map(({ code }) => code);
const day = (shift: number) => new Date(Date.now() + shift * 86_400_000).toISOString().slice(0, 10);

describe('kinds', () => {
  it('a predefined kind that is gone leaves the only active one, and two of them a question', async () => {
    const transfer = kind('УПД со счётом-фактурой');
    const basic = kind('УПД');
    const { $guid: _, ...fields } = transfer;
    stand.directum.patch('IDocumentKinds', Number(transfer['Id']), { Status: 'Closed', $guid: null });
    try {
      const { deal } = addDeal(stand);
      const made = await create(deal, 'universal_transfer');
      expect(made).toMatchObject({ ok: 'Y', created: 'Y' });
      const card = stand.directum.get('IUniversalTransferDocuments', Number(made['document_id']));
      expect(idOf(card['DocumentKind'])).toBe(basic['Id']);
    } finally {
      stand.directum.patch('IDocumentKinds', Number(transfer['Id']), {
        Status: 'Active',
        $guid: 'cac00143-a9a0-4ee1-98d1-f996a9f4cc5e',
      });
    }
    expect(fields['Name']).toBe('УПД со счётом-фактурой');
  });

  it('a closed kind and one of another type are not found', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    for (const document_kind of ['Акт старого образца', 'Договор', String(kind('Накладная')['Id'])])
      expect(await create(deal, 'act', { document_kind })).toMatchObject({
        ok: 'N',
        error_code: 'reference_not_found',
        error_text: expect.stringContaining('«Вид документа»'),
      });
  });
});

describe('the leading document', () => {
  it('is looked for once where there is none', async () => {
    const { deal } = addDeal(stand);
    await create(deal, 'outgoing_invoice', { slot: 'cold' });
    const from = stand.directum.journal.length;
    expect(await create(deal, 'outgoing_invoice')).toMatchObject({ ok: 'Y', created: 'Y' });
    const asked = stand.directum.journal
      .slice(from)
      // The watcher asks about lists of what changed, the robot about keys and cards.
      .filter(({ query }) => !/Id eq|Modified gt/.test(query.replaceAll('ExternalId eq', '')))
      .map(({ verb, path }) => `${verb} ${path.split(/[(?]/)[0]}`)
      .filter((one) => /Invoices|OfficialDocuments|Compan|Contract|Kinds/.test(one));
    expect(asked).toEqual([
      'GET IOfficialDocuments',
      'GET IOfficialDocuments',
      'GET ICompanies',
      'POST IOutgoingInvoices',
    ]);
  });

  it('that may not be read for a while is waited for, and no invoice is made without it', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    stand.directum.misbehave.hide('IElectronicDocuments');
    const answer = create(deal, 'outgoing_invoice');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const made = () =>
      stand.directum
        .all('IOutgoingInvoices')
        .filter((one) => String(one['ExternalId']).includes(`_${deal}:`));
    expect(made()).toHaveLength(0);
    stand.directum.misbehave.show('IElectronicDocuments');
    expect(await answer).toMatchObject({ ok: 'Y', leading_id: String(contract) });
    expect(made()).toHaveLength(1);
  }, 60_000);

  it('of another counterparty brings that one along in an update too, whatever Directum sets last', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const { deal: other } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(70_001) } });
    const foreign = await contractOf(other);
    const made = await create(deal, 'waybill');
    stand.directum.misbehave.counterpartyLast = true;
    const updated = await create(deal, 'waybill', { leading_document_id: foreign, if_exists: 'update' });
    expect(updated).toMatchObject({ ok: 'Y', created: 'N', leading_id: String(foreign) });
    const card = stand.directum.get('IWaybills', Number(made['document_id']));
    expect(idOf(card['LeadingDocument'])).toBe(foreign);
    expect(idOf(card['Counterparty'])).toBe(idOf(stand.directum.get('IContracts', foreign)['Counterparty']));
  });

  it('that was deleted between the look and the making leaves nothing made', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    stand.directum.misbehave.next({ verb: 'POST', path: /^IContractStatements$/, delayMs: 1_500 });
    const answer = create(deal, 'act');
    await expect
      .poll(() =>
        stand.directum.journal.some(({ path }) => path.startsWith(`IContractualDocuments(${contract})`)),
      )
      .toBe(true);
    stand.directum.remove('IContracts', contract);
    expect(await answer).toMatchObject({ ok: 'N', error_code: 'document_not_found' });
    expect(
      stand.directum
        .all('IContractStatements')
        .filter((one) => String(one['ExternalId']).includes(`_${deal}:`)),
    ).toHaveLength(0);
  });

  it('is no extra field: it has its own', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    for (const [type, line] of [
      ['waybill', 'LeadingDocument=1'],
      ['incoming_invoice', 'Contract=1'],
      ['incoming_invoice', 'PaymentDueDate=2026-03-02'],
    ] as const)
      expect(await create(deal, type, { extra_fields: line })).toMatchObject({
        ok: 'N',
        error_code: 'input_invalid',
        error_text: expect.stringContaining(line.split('=')[0] as string),
      });
  });
});

describe('registration', () => {
  const paper = { number: 'А-170', date: '02.03.2026' };

  it('is a line of the journal, a change for the next robots, and shows in the name', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const made = await create(deal, 'act');
    const again = await create(deal, 'act', paper);
    expect(again).toMatchObject({ ok: 'Y', created: 'N', registration_number: 'А-170' });
    expect(again['changed_fields']).toBe('RegistrationNumber,RegistrationDate');
    expect(again['document_name']).toContain('№А-170');
    const lines = await linesOf(Number(made['document_id']));
    expect(lines.map(({ type }) => type).filter((type) => type.startsWith('document.'))).toEqual(
      expect.arrayContaining(['document.made', 'document.bound', 'document.changed']),
    );
    expect(lines.find(({ type }) => type === 'document.changed')?.data['fields']).toEqual(
      expect.arrayContaining(['RegistrationDate', 'RegistrationNumber']),
    );
    const third = await create(deal, 'act', paper);
    expect(third).toMatchObject({ ok: 'Y', changed_fields: '' });
  });

  it('is made once although the answer was lost', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    stand.directum.misbehave.next({ verb: 'POST', path: /RegisterDocument$/, cutAfterEffect: true });
    expect(await create(deal, 'act', { number: 'А-171', date: '02.03.2026' })).toMatchObject({
      ok: 'Y',
      created: 'Y',
      registration_number: 'А-171',
    });
  });

  it('is refused in the words of Directum where the account may not, and the act is told of', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const group = stand.directum.add('IRegistrationGroups', { Name: 'Чужие', RecipientLinks: [] });
    const register = stand.directum
      .all('IDocumentRegisters')
      .find((one) => one['Name'] === 'Первичные документы')!;
    stand.directum.patch('IDocumentRegisters', Number(register['Id']), { RegistrationGroup: group });
    try {
      const refused = await create(deal, 'act', { number: 'А-172', date: '02.03.2026' });
      expect(refused).toMatchObject({ ok: 'N', error_code: 'directum_refused' });
      expect(Number(refused['document_id'])).toBeGreaterThan(0);
      expect(refused['error_text']).toContain('Нет прав на регистрацию');
    } finally {
      stand.directum.patch('IDocumentRegisters', Number(register['Id']), { RegistrationGroup: null });
    }
    expect(await create(deal, 'act', { number: 'А-172', date: '02.03.2026' })).toMatchObject({
      ok: 'Y',
      created: 'N',
      registration_number: 'А-172',
    });
  });

  it('a setting of another flow does not count, a second one that fits does', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const setting = (DocumentFlow: string) =>
      stand.directum.add('IRegistrationSettings', {
        ...{ Name: `Для всех ${DocumentFlow}`, SettingType: 'Numeration', DocumentFlow, Priority: 5 },
        DocumentRegister: stand.directum.all('IDocumentRegisters')[0]!['Id'],
      });
    const foreign = setting('Incoming');
    expect(await create(deal, 'act', { number: 'А-173', date: '02.03.2026' })).toMatchObject({ ok: 'Y' });
    const second = setting('Contracts');
    expect(await create(deal, 'act', { slot: 'two', number: 'А-174', date: '02.03.2026' })).toMatchObject({
      ok: 'N',
      error_code: 'input_invalid',
      document_id: '',
      error_text: expect.stringContaining('Для всех Contracts'),
    });
    for (const id of [foreign, second]) stand.directum.remove('IRegistrationSettings', id);
  });
});

it('a simple document is made though nobody of the deal works in Directum', async () => {
  const { deal } = addDeal(stand, { email: 'nobody@acme.example' });
  expect(await create(deal, 'simple', { subject: 'Протокол' })).toMatchObject({ ok: 'Y', created: 'Y' });
  expect(await create(deal, 'outgoing_invoice')).toMatchObject({ ok: 'N', error_code: 'employee_not_found' });
});

it('an unpaid invoice is told of before and after the day of its payment, a paid one is executed', async () => {
  const { deal, user } = addDeal(stand);
  const made = await create(deal, 'incoming_invoice', { payment_due: day(5) });
  await expect.poll(() => fired(deal), { timeout: 15_000 }).toContain('directum_document_due');
  const notices = () => JSON.stringify(stand.portal.notices().filter(({ userId }) => userId === user));
  await expect.poll(notices, { timeout: 15_000 }).toContain('Оплата документа');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  stand.directum.patch('IIncomingInvoices', Number(made['document_id']), { PaymentDueDate: day(-2) });
  await expect.poll(() => fired(deal), { timeout: 15_000 }).toContain('directum_document_overdue');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  stand.directum.patch('IIncomingInvoices', Number(made['document_id']), { LifeCycleState: 'Paid' });
  await expect.poll(() => fired(deal), { timeout: 15_000 }).toContain('directum_document_executed');
  expect(fired(deal)).toEqual([
    'directum_document_due',
    'directum_document_overdue',
    'directum_document_executed',
  ]);
  const dates = (await linesOf(Number(made['document_id']))).filter(({ type }) => type === 'dates.changed');
  expect(dates.map(({ data }) => [data['validTill'], data['isPayment']])).toEqual([
    [day(5), true],
    [day(-2), true],
  ]);
}, 60_000);

it('fires its own triggers in the deal whose slot holds it, the usual ones where it was given by its id', async () => {
  const { deal } = addDeal(stand);
  await contractOf(deal);
  const { deal: other } = addDeal(stand);
  const made = await create(deal, 'act');
  const given = { document_id: made['document_id'], wait_for: 'both' };
  const stage = `C1:G${other}`;
  stand.portal.placeRobot(stage, 'directum_wait_signature', given);
  await stand.portal.moveItem(2, other, stage);
  const isWatched = () =>
    inDatabase(stand, async ({ query }) => {
      const { rows } = await query('SELECT 1 FROM watched_document WHERE document_id = $1', [
        made['document_id'],
      ]);
      return rows.length;
    });
  await expect.poll(isWatched, { timeout: 10_000 }).toBe(2);
  await expect
    .poll(() => JSON.stringify(stand.portal.activities(2, other)), { timeout: 15_000 })
    .toContain(String(made['document_name']).slice(0, 5));
  stand.directum.sign(Number(made['document_id']));
  await expect.poll(() => fired(deal).length + fired(other).length, { timeout: 15_000 }).toBe(4);
  expect(fired(deal).toSorted()).toEqual(['directum_document_approved', 'directum_document_signed_us']);
  expect(fired(other).toSorted()).toEqual(['directum_approved', 'directum_signed_us']);
  // Only the contract of the deal is shown in its fields.
  const status = stand.portal.item(2, deal)['UF_CRM_DIRECTUM_ID'];
  expect(Number(status)).not.toBe(Number(made['document_id']));
}, 60_000);
