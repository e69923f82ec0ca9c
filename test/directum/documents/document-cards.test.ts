import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contract } from '../../../src/documents/types/document-types.ts';
import type { DocumentDraft } from '../../../src/robot/ports/directum.ts';
import { parseDayOrMoment } from '../../../src/robot/wire-values.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter, company, label } from '../stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;
let draft: DocumentDraft;

beforeEach(async () => {
  stand = await startDirectum();
  bench = adapter(stand);
  const counterpartyId = stand.add('ICompanies', { Name: 'ООО «Ромашка»' });
  draft = {
    subject: 'Поставка',
    documentKindId: 1,
    counterpartyId,
    amount: 1200.51,
    validFrom: '2026-03-02',
    validTill: '2026-12-31',
    note: `Сделка\n${'я'.repeat(1200)}`,
  };
});
afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

const KEY = 'b24:portal-1:DEAL_915:contract';
const mine = () => stand.all('IContracts').filter((one) => one['ExternalId'] === KEY);
const requests = async (work: () => Promise<unknown>) => {
  const before = stand.journal.length;
  await work();
  return stand.journal.slice(before).map(({ verb, path }) => `${verb} ${path}`);
};

describe('create', () => {
  it('writes the card and tells it back', async () => {
    const card = await bench.directum.documents.create(contract, KEY, draft);
    expect(card).toMatchObject({
      url: `${stand.webUrl}/#/card/f37c7e63-b134-4446-9b5b-f8811f6c9666/${card.id}`,
      registrationNumber: null,
      externalId: KEY,
      lifeCycleState: 'Draft',
      hasVersions: false,
      counterparty: { id: draft.counterpartyId },
    });
    expect(card.name).toContain('Поставка');
    const row = stand.get('IContracts', card.id);
    expect(row).toMatchObject({
      Subject: 'Поставка',
      TotalAmount: 1200.51,
      Counterparty: { Id: draft.counterpartyId },
    });
    expect(String(row['Note'])).toHaveLength(1000);
    expect(String(row['ValidFrom'])).toMatch(/^2026-03-02/);
  });

  it('costs three requests with the look-up and the known counterparty, when warm', async () => {
    const { documents, counterparties } = bench.directum;
    const party = company();
    await counterparties.sync(party, 'none');
    await documents.byExternalId(contract, 'warm');
    const made = await requests(async () => {
      expect(await documents.byExternalId(contract, KEY)).toBeNull();
      const { id } = await counterparties.sync(party, 'none');
      await documents.create(contract, KEY, { ...draft, counterpartyId: id });
    });
    expect(made).toHaveLength(3);
  });

  it.each([{ cutAfterEffect: true }, { status: 502, html: true }])(
    'looks for the card when the POST ends in %j',
    async (fault) => {
      stand.misbehave.next({ verb: 'POST', path: 'IContracts', ...fault });
      const made = bench.directum.documents.create(contract, KEY, draft);
      if ('cutAfterEffect' in fault) expect((await made).id).toBe(mine()[0]?.['Id']);
      else await expect(made).rejects.toMatchObject({ code: 'directum_unavailable' });
      expect(mine()).toHaveLength('cutAfterEffect' in fault ? 1 : 0);
    },
  );

  it('reports Directum as unavailable when the look-up fails as well', async () => {
    stand.misbehave.next({ verb: 'POST', path: 'IContracts', cutAfterEffect: true });
    stand.misbehave.next({ verb: 'GET', path: 'IContracts', status: 503, body: 'x' });
    await expect(bench.directum.documents.create(contract, KEY, draft)).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
  });

  it('reads the card when the answer is empty', async () => {
    stand.misbehave.next({ verb: 'POST', path: 'IContracts', cutAfterEffect: true });
    await bench.directum.documents.create(contract, KEY, draft);
    stand.misbehave.next({ verb: 'POST', path: 'IContracts', status: 204, body: '' });
    expect((await bench.directum.documents.create(contract, KEY, draft)).id).toBe(mine()[0]?.['Id']);
  });

  it.each(['', 'null', '"x"'])(
    'tries again where %j is all that a POST brings and no card is there',
    async (body) => {
      stand.misbehave.next({ verb: 'POST', path: 'IContracts', status: 201, body });
      await expect(bench.directum.documents.create(contract, KEY, draft)).rejects.toMatchObject({
        code: 'directum_unavailable',
      });
    },
  );

  it('quotes a refusal', async () => {
    const failed = await bench.directum.documents
      .create(contract, KEY, { ...draft, validFrom: '2027-01-01' })
      .catch((error) => error);
    expect(failed).toMatchObject({ code: 'directum_refused' });
    expect(failed.text.ru.length).toBeLessThanOrEqual(450);
  });
});

describe('find, update, adopt', () => {
  it('answers null for a missing id or key, and the oldest of several', async () => {
    expect(await bench.directum.documents.byId(contract, 999_999)).toBeNull();
    expect(await bench.directum.documents.byExternalId(contract, 'none')).toBeNull();
    const first = await bench.directum.documents.create(contract, KEY, draft);
    await bench.directum.documents.create(contract, KEY, draft);
    expect((await bench.directum.documents.byExternalId(contract, KEY))?.id).toBe(first.id);
    expect((await bench.directum.documents.byId(contract, first.id))?.counterparty?.id).toBe(
      draft.counterpartyId,
    );
  });

  it('writes what differs and nothing the second time', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, draft);
    const other = stand.add('ICompanies', { Name: 'Другая' });
    const extra = { DaysToFinishWorks: 5 };
    const changed = {
      ...draft,
      subject: 'Новое',
      amount: 5,
      counterpartyId: other,
      validTill: '2027-01-01',
      extra,
    };
    const result = await bench.directum.documents.update(contract, id, changed);
    expect(result.changedFields.sort()).toEqual([
      'Counterparty',
      'DaysToFinishWorks',
      'Subject',
      'TotalAmount',
      'ValidTill',
    ]);
    expect(result.card.counterparty?.id).toBe(other);
    const again = await requests(async () => {
      expect((await bench.directum.documents.update(contract, id, changed)).changedFields).toEqual([]);
    });
    expect(again).toEqual([`GET IContracts(${id})`]);
  });

  it('writes our key on a card without one only', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, draft);
    stand.patch('IContracts', id, { ExternalId: null });
    await bench.directum.documents.adopt(contract, id, KEY);
    expect(stand.get('IContracts', id)['ExternalId']).toBe(KEY);
    await bench.directum.documents.adopt(contract, id, 'other');
    expect(stand.get('IContracts', id)['ExternalId']).toBe(KEY);
  });

  it('leaves a card that may only be read without our key', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, draft);
    stand.patch('IContracts', id, { ExternalId: null });
    for (const status of [400, 403]) {
      stand.misbehave.next({ verb: 'PATCH', path: 'IContracts', status, body: { error: 'нет прав' } });
      await bench.directum.documents.adopt(contract, id, KEY);
    }
    expect(stand.get('IContracts', id)['ExternalId']).toBeNull();
    stand.misbehave.lockCards(1);
    await expect(bench.directum.documents.adopt(contract, id, KEY)).rejects.toMatchObject({ heals: true });
  });

  it('tells of a change whose answer was cut', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, draft);
    stand.misbehave.next({ verb: 'PATCH', path: 'IContracts', cutAfterEffect: true });
    const { changedFields } = await bench.directum.documents.update(contract, id, { ...draft, amount: 7 });
    expect(changedFields).toEqual(['TotalAmount']);
    stand.misbehave.next({ verb: 'PATCH', path: 'IContracts', cutBefore: true });
    await expect(
      bench.directum.documents.update(contract, id, { ...draft, amount: 8 }),
    ).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
  });

  it('writes a change of some kopecks in an amount of milliards', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, {
      ...draft,
      amount: 5_000_000_000.1,
    });
    const { changedFields } = await bench.directum.documents.update(contract, id, {
      ...draft,
      amount: 5_000_000_000.6,
    });
    expect(changedFields).toEqual(['TotalAmount']);
    expect(stand.get('IContracts', id)['TotalAmount']).toBe(5_000_000_000.6);
  });

  it('tells a locked card', async () => {
    const { id } = await bench.directum.documents.create(contract, KEY, draft);
    stand.misbehave.lockCards(1);
    await expect(
      bench.directum.documents.update(contract, id, { ...draft, amount: 7 }),
    ).rejects.toMatchObject({
      code: 'directum_locked',
    });
  });

  it('works on the generation with narrow ids', async () => {
    const old = await startDirectum({ generation: '4.3' });
    const { service, directum } = adapter(old);
    const counterpartyId = old.add('ICompanies', { Name: 'ООО' });
    const made = await directum.documents.create(contract, KEY, { ...draft, counterpartyId });
    expect((await directum.documents.byExternalId(contract, KEY))?.id).toBe(made.id);
    expect((await service.capabilities()).wideIds).toBe(false);
    // An id beyond Int32 is nobody's there, and asking for it would be refused.
    expect(await directum.documents.byId(contract, 3_000_000_000)).toBeNull();
    expect(await directum.states.read(3_000_000_000)).toBeNull();
    await expect(directum.catalogue.documentKind(contract, '3000000000', label)).rejects.toMatchObject({
      code: 'reference_not_found',
    });
    const paths = old.journal.map(({ path, query }) => `${path}?${query}`).join('\n');
    expect(paths).not.toContain('3000000000');
    await service.close();
    await old.stop();
  });
});

describe('extra fields', () => {
  const parse = (lines: string) =>
    bench.directum.documents.parseExtra(contract, lines, label, (text) => {
      try {
        return parseDayOrMoment(text, 'Europe/Moscow');
      } catch {
        return null;
      }
    });

  it('reads values by the types of the metadata', async () => {
    expect(
      await parse(
        'DaysToFinishWorks = 1 5\r\n\nIsStandard=Y\nIsFrameworkContract=FALSE\nPurchaseOrderNumber=A=1\nContact=7\nVatAmount=1 000,5\nCounterpartyRegistrationNumber=',
      ),
    ).toEqual({
      DaysToFinishWorks: 15,
      IsStandard: true,
      IsFrameworkContract: false,
      PurchaseOrderNumber: 'A=1',
      Contact: { Id: 7 },
      VatAmount: 1000.5,
      CounterpartyRegistrationNumber: null,
    });
    expect(await parse('VatAmount=-0.0010')).toEqual({ VatAmount: -0.001 });
    expect(await parse('VatAmount=123456789012345.67')).toEqual({ VatAmount: 123456789012345.67 });
    expect(await parse('DeliveredTo=')).toEqual({ DeliveredTo: null });
    expect(await parse('ReturnDeadline=02.03.2026')).toEqual({ ReturnDeadline: '2026-03-02T00:00:00Z' });
    // What the portal's culture sends, in the zone of the settings; a day stays that day.
    for (const text of ['03/02/2026', '02.03.2026 00:00:00'])
      expect(await parse(`ReturnDeadline=${text}`)).toEqual({ ReturnDeadline: '2026-03-02T00:00:00Z' });
    expect(await parse('ReturnDeadline=02.03.2026 10:00:00')).toEqual({
      ReturnDeadline: '2026-03-02T07:00:00.000Z',
    });
    expect(await parse('ReturnDeadline=2026-03-02T10:00+03:00')).toEqual({
      ReturnDeadline: '2026-03-02T10:00:00+03:00',
    });
  });

  it.each([
    ['Nope', 'Nope=1'],
    ['__proto__', '__proto__=1'],
    ['constructor', 'constructor=1'],
    ['Id', 'Id=1'],
    ['ExternalId', 'ExternalId=x'],
    ['InternalApprovalState', 'InternalApprovalState=Signed'],
    ['LifeCycleState', 'LifeCycleState=Active'],
    ['Subject', 'Subject=x'],
    ['TotalAmount', 'TotalAmount=1'],
    ['Milestones', 'Milestones=1'],
    ['IsStandard', 'IsStandard=да'],
    ['DaysToFinishWorks', 'DaysToFinishWorks=1.5'],
    ['VatAmount', 'VatAmount=12345678901234567'],
    ['VatAmount', 'VatAmount=123456789012345.68'],
    ['Contact', 'Contact=Иванов'],
    ['ReturnDeadline', 'ReturnDeadline=31.02.2026'],
    ['IsStandard', 'IsStandard=Y\nIsStandard=N'],
    ['слова', 'слова'],
  ])('refuses and names %s', async (name, lines) => {
    const failed = await parse(lines).catch((error) => error);
    expect(failed).toMatchObject({ code: 'input_invalid' });
    expect(failed.text.ru).toContain(`«${name}»`);
    expect(failed.text.ru).toContain('«Поле»');
  });
});
