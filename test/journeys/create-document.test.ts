import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { furtherTypes } from '../../src/documents/types/document-types.ts';
import { type FurtherType, SETS, TYPES } from './document-sets.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_FILE', 'file');
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const CODE = 'directum_create_document';
const leads = (type: FurtherType) => furtherTypes.find(({ code }) => code === type)?.leading ?? null;

const create = (deal: number, type: FurtherType, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, CODE, { document_type: type, subject: 'По сделке', ...properties });
const contractOf = async (deal: number) =>
  Number(
    (await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' }))[
      'document_id'
    ] as string,
  );
/** Id of a reference. */
const idOf = (reference: unknown) => (reference as { Id: number } | null)?.Id;
const madeOf = (deal: number, type: FurtherType) =>
  stand.directum
    .all(SETS[type])
    .filter((one) =>
      [one['ExternalId'], one['Note']].some((text) => String(text).includes(`:DEAL_${deal}:`)),
    );

describe.each(TYPES)('%s', (type) => {
  it('is made for the contract of the deal, once, and handed to the next robots', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    const first = await create(deal, type);
    expect(first).toMatchObject({ ok: 'Y', error_code: '', created: 'Y' });
    const id = Number(first['document_id']);
    const card = stand.directum.get(SETS[type], id);
    expect(card['DocumentKind']).toBeTruthy();
    const leading = leads(type);
    expect(first['leading_id'] ?? '').toBe(leading === null ? '' : String(contract));
    if (leading !== null) expect(idOf(card[leading.property])).toBe(contract);
    if ('Counterparty' in card)
      expect(card['Counterparty']).toEqual(stand.directum.get('IContracts', contract)['Counterparty']);
    if ('TotalAmount' in card) expect(card['TotalAmount']).toBe(1200000.5);
    expect(String(first['document_url'])).toContain(`/${id}`);

    expect(await create(deal, type)).toMatchObject({
      ok: 'Y',
      created: 'N',
      document_id: first['document_id'],
    });
    expect(await create(deal, type, { slot: 'second' })).toMatchObject({ ok: 'Y', created: 'Y' });
    expect(madeOf(deal, type)).toHaveLength(2);
  });

  it('is made once by two stages at the same time, and by a repeat after a lost answer', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const stage = `C1:TWO_${deal}`;
    for (const _ of [1, 2])
      stand.portal.placeRobot(stage, CODE, { document_type: type, subject: 'По сделке' });
    const workflow = await stand.portal.moveItem(2, deal, stage);
    const steps = () => stand.portal.steps(workflow).map(({ status, outputs }) => [status, outputs?.['ok']]);
    await expect.poll(steps, { timeout: 20_000 }).toEqual([
      ['closed', 'Y'],
      ['closed', 'Y'],
    ]);
    expect(madeOf(deal, type)).toHaveLength(1);

    const { deal: other } = addDeal(stand);
    await contractOf(other);
    stand.directum.misbehave.next({ verb: 'POST', path: SETS[type], cutAfterEffect: true });
    expect(await create(other, type)).toMatchObject({ ok: 'Y' });
    expect(madeOf(other, type)).toHaveLength(1);
  });
});

describe('whatever the type', () => {
  it('keeps its leading document where Directum sets the counterparty last', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    stand.directum.misbehave.counterpartyLast = true;
    const made = await create(deal, 'act');
    expect(made).toMatchObject({ ok: 'Y', leading_id: String(contract) });
    expect(
      idOf(stand.directum.get('IContractStatements', Number(made['document_id']))['LeadingDocument']),
    ).toBe(contract);
  });

  it('is of the counterparty of the contract, though the deal has another company by now', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    const other = stand.portal.addCompany({ TITLE: 'Другая' });
    stand.portal.setItem(2, deal, { companyId: other });
    const made = await create(deal, 'act');
    expect(made).toMatchObject({ ok: 'Y' });
    expect(Number(made['counterparty_id'])).toBe(
      idOf(stand.directum.get('IContracts', contract)['Counterparty']),
    );
  });

  it('needs a contract where the type does, and does without where it does not', async () => {
    const { deal } = addDeal(stand);
    const refused = await create(deal, 'act');
    expect(refused).toMatchObject({ ok: 'N', error_code: 'document_not_found' });
    expect(refused['error_text']).toContain('«Слот ведущего документа»');
    expect(await create(deal, 'waybill')).toMatchObject({ ok: 'Y', leading_id: '' });
    const named = await create(deal, 'waybill', { slot: 'w2', leading_document_id: '999999' });
    expect(named).toMatchObject({ ok: 'N', error_code: 'document_not_found' });
    expect(named['error_text']).toContain('«ИД ведущего документа»');
    const { deal: simple } = addDeal(stand);
    expect(await create(simple, 'simple', { leading_slot: 'contract' })).toMatchObject({
      error_code: 'input_invalid',
    });
  });

  it('is refused while the contract is not signed as asked', async () => {
    const { deal } = addDeal(stand);
    const contract = await contractOf(deal);
    expect(await create(deal, 'act', { require_signed: 'us' })).toMatchObject({
      error_code: 'document_not_signed',
    });
    stand.directum.patch('IContracts', contract, { InternalApprovalState: 'Signed' });
    expect(await create(deal, 'act', { require_signed: 'both' })).toMatchObject({
      error_code: 'document_not_signed',
    });
    expect(madeOf(deal, 'act')).toHaveLength(0);
    expect(await create(deal, 'act', { require_signed: 'us' })).toMatchObject({ ok: 'Y' });
  });

  it('is registered under the number and date of the paper, by a repeat too', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const paper = { number: 'А-17/2', date: '02.03.2026' };
    const first = await create(deal, 'act', { slot: 'numbered', ...paper });
    expect(first).toMatchObject({ ok: 'Y', registration_number: 'А-17/2' });
    expect(stand.directum.get('IContractStatements', Number(first['document_id']))).toMatchObject({
      RegistrationNumber: 'А-17/2',
      RegistrationState: 'Registered',
    });
    await create(deal, 'waybill');
    const again = await create(deal, 'waybill', { number: 'ТН-1', date: '03.03.2026' });
    expect(again).toMatchObject({ ok: 'Y', created: 'N', registration_number: 'ТН-1' });
    expect(await create(deal, 'act', { slot: 'half', number: '5' })).toMatchObject({
      error_code: 'input_missing',
    });
    const auto = { document_kind: 'Счёт на предоплату', slot: 'auto', number: '1', date: '03.03.2026' };
    expect(await create(deal, 'outgoing_invoice', auto)).toMatchObject({ error_code: 'input_invalid' });
    expect(await create(deal, 'addendum', { slot: 'x', ...paper })).toMatchObject({
      error_code: 'input_invalid',
    });
    // The register of simple documents has no setting.
    expect(await create(deal, 'simple', { slot: 'y', ...paper })).toMatchObject({
      error_code: 'input_invalid',
    });
  });

  it('has its own number and date as an incoming invoice', async () => {
    const { deal } = addDeal(stand);
    const made = await create(deal, 'incoming_invoice', {
      number: 'СЧ-9',
      date: '2026-03-02',
      payment_due: '2026-03-20',
    });
    expect(made).toMatchObject({ ok: 'Y' });
    const card = stand.directum.get('IIncomingInvoices', Number(made['document_id']));
    expect(card['Number']).toBe('СЧ-9');
    expect(String(card['Date'])).toMatch(/^2026-03-02/);
    expect(String(card['PaymentDueDate'])).toMatch(/^2026-03-20/);
  });

  it('refuses what the type has no property for, and what it cannot do without', async () => {
    const { deal } = addDeal(stand, { deal: { opportunity: 0 } });
    await contractOf(deal);
    for (const [type, properties, code] of [
      ['addendum', { amount: '5' }, 'input_invalid'],
      ['simple', { vat_rate: '20' }, 'input_invalid'],
      ['act', { payment_due: '01.03.2026' }, 'input_invalid'],
      ['act', { valid_till: '01.03.2026' }, 'input_invalid'],
      ['outgoing_invoice', {}, 'input_missing'],
      ['supplementary_agreement', { subject: '' }, 'input_missing'],
      ['act', { document_kind: 'Договор' }, 'reference_not_found'],
      ['act', { document_kind: 'Акт старого образца' }, 'reference_not_found'],
    ] as const)
      expect(await create(deal, type, properties), `${type} ${JSON.stringify(properties)}`).toMatchObject({
        ok: 'N',
        error_code: code,
      });
    for (const type of TYPES) expect(madeOf(deal, type)).toEqual([]);
  });

  it('takes the kind with the function of an invoice for a universal transfer document', async () => {
    const { deal } = addDeal(stand);
    const made = await create(deal, 'universal_transfer');
    expect(
      stand.directum.get('IUniversalTransferDocuments', Number(made['document_id']))['DocumentKind'],
    ).toMatchObject({ Name: 'УПД со счётом-фактурой' });
  });

  it('names the slot that holds a document of another type', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    await create(deal, 'act', { slot: 'papers' });
    const refused = await create(deal, 'waybill', { slot: 'papers' });
    expect(refused).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
    expect(refused['error_text']).toContain('papers');
    expect(await create(deal, 'waybill', { slot: 'contract' })).toMatchObject({
      error_code: 'input_invalid',
    });
  });

  it('binds one that was made by hand', async () => {
    const { deal } = addDeal(stand);
    const { deal: donor } = addDeal(stand);
    await contractOf(donor);
    const { document_id: id } = await create(donor, 'act');
    stand.directum.patch('IContractStatements', Number(id), { ExternalId: null });
    expect(await create(deal, 'act', { link_document_id: id })).toMatchObject({
      ok: 'Y',
      created: 'N',
      document_id: id,
    });
    expect(stand.directum.get('IContractStatements', Number(id))['ExternalId']).toContain(
      `:DEAL_${deal}:act`,
    );
  });

  it('is updated until somebody decides on it', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const { document_id: id } = await create(deal, 'act');
    const update = { amount: '77', if_exists: 'update' };
    expect(await create(deal, 'act', update)).toMatchObject({ ok: 'Y', changed_fields: 'TotalAmount' });
    stand.directum.patch('IContractStatements', Number(id), { InternalApprovalState: 'Signed' });
    expect(await create(deal, 'act', { ...update, amount: '78' })).toMatchObject({
      ok: 'Y',
      changed_fields: '',
    });
    expect(stand.directum.get('IContractStatements', Number(id))['TotalAmount']).toBe(77);
  });

  it('gets its first version from a template or a file', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const made = await create(deal, 'act', { template: 'Акт выполненных работ' });
    expect(made).toMatchObject({ ok: 'Y' });
    stand.portal.addFile(2, deal, 'UF_CRM_FILE', 'накладная.docx', Buffer.from('text'));
    expect(await create(deal, 'waybill', { file_field: 'UF_CRM_FILE' })).toMatchObject({ ok: 'Y' });
  });

  it('makes a warm act with four requests to Directum', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    await create(deal, 'act');
    const from = stand.directum.journal.length;
    expect(await create(deal, 'act', { slot: 'warm' })).toMatchObject({ created: 'Y' });
    const asked = stand.directum.journal
      .slice(from)
      // The watcher asks about lists of what changed, the robot about keys and cards.
      .filter(
        ({ path, query }) =>
          !/Id eq|Modified gt/.test(query.replaceAll('ExternalId eq', '')) || path.includes('('),
      )
      .map(({ verb, path }) => `${verb} ${path.split(/[(?]/)[0]}`);
    expect(asked.filter((one) => /Contract|Official|Compan|Kind|Employee/.test(one))).toEqual([
      'GET IOfficialDocuments',
      'GET IContractualDocuments',
      'POST IContractStatements',
      'GET IContractStatements',
    ]);
  });
});

describe('a document in its deal', () => {
  it('goes to approval and is waited for by its slot; its triggers are its own', async () => {
    const { deal } = addDeal(stand);
    await contractOf(deal);
    const { document_id: id } = await create(deal, 'act');
    const started = await runStep(stand, deal, 'directum_start_approval', { slot: 'act' });
    expect(started).toMatchObject({ ok: 'Y', task_started: 'Y' });
    stand.directum.patch('IContractStatements', Number(id), { InternalApprovalState: 'Signed' });
    expect(await runStep(stand, deal, 'directum_wait_signature', { slot: 'act' })).toMatchObject({
      ok: 'Y',
      result: 'signed',
    });
    const fired = () =>
      stand.portal.journal
        .filter(({ method }) => method === 'crm.automation.trigger.execute')
        .filter(({ params }) => Number((params as Record<string, unknown>)['OWNER_ID']) === deal)
        .map(({ params }) => String((params as Record<string, unknown>)['CODE']));
    await expect
      .poll(fired, { timeout: 20_000 })
      .toEqual(['directum_document_approved', 'directum_document_signed_us']);
  });
});
