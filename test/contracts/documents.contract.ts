import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DirectumStand,
  directumStands,
  type Json,
  make as makeOn,
  mark,
  NOWHERE,
  query,
  quoted,
  refusalText,
} from './directum-stand.ts';

interface DocumentType {
  set: string;
  leaf: string;
  typeGuid: string;
  /** Of the predefined kind (directum.md B.6). */
  kindGuid: string;
  /** The reference to the document it belongs to. */
  leading: 'LeadingDocument' | 'Contract' | null;
  /** Has counterparty, amount and currency. */
  money: boolean;
  /** A property of another type. */
  alien: string;
}

const TYPES: DocumentType[] = [
  {
    set: 'IContractStatements',
    leaf: 'IContractStatementDto',
    typeGuid: 'f2f5774d-5ca3-4725-b31d-ac618f6b8850',
    kindGuid: 'c1f11157-4e42-4ce0-9423-ae05567b162e',
    ...{ leading: 'LeadingDocument', money: true, alien: 'PaymentDueDate' },
  },
  {
    set: 'IOutgoingInvoices',
    leaf: 'IOutgoingInvoiceDto',
    typeGuid: '58ad01fb-6805-426b-9152-4de16d83b258',
    kindGuid: '0be84c5b-7747-4a1f-940b-2f7c9cce6c55',
    ...{ leading: 'LeadingDocument', money: true, alien: 'PaymentDueDate' },
  },
  {
    set: 'IIncomingInvoices',
    leaf: 'IIncomingInvoiceDto',
    typeGuid: 'a523a263-bc00-40f9-810d-f582bae2205d',
    kindGuid: '558baab7-784d-42f8-bcb7-ba8c0e8821a3',
    ...{ leading: 'Contract', money: true, alien: 'ValidFrom' },
  },
  {
    set: 'ISupAgreements',
    leaf: 'ISupAgreementDto',
    typeGuid: '265f2c57-6a8a-4a15-833b-ca00e8047fa5',
    kindGuid: 'a5b2c424-0f31-4809-b160-acc0c4583574',
    ...{ leading: 'LeadingDocument', money: true, alien: 'PaymentDueDate' },
  },
  {
    set: 'IUniversalTransferDocuments',
    leaf: 'IUniversalTransferDocumentDto',
    typeGuid: '58986e23-2b0a-4082-af37-bd1991bc6f7e',
    kindGuid: 'cac00143-a9a0-4ee1-98d1-f996a9f4cc5e',
    ...{ leading: 'LeadingDocument', money: true, alien: 'PaymentDueDate' },
  },
  {
    set: 'IWaybills',
    leaf: 'IWaybillDto',
    typeGuid: '4e81f9ca-b95a-4fd4-bf76-ea7176c215a7',
    kindGuid: '8dcf8d7a-9868-4620-83ff-8ff81a5be520',
    ...{ leading: 'LeadingDocument', money: true, alien: 'PaymentDueDate' },
  },
  {
    set: 'IAddendums',
    leaf: 'IAddendumDto',
    typeGuid: '58b9ed35-9c84-46cd-aa79-9b5ef5a82f5d',
    kindGuid: '2734ab0b-fd71-4fd2-820e-c25042488547',
    ...{ leading: 'LeadingDocument', money: false, alien: 'TotalAmount' },
  },
  {
    set: 'ISimpleDocuments',
    leaf: 'ISimpleDocumentDto',
    typeGuid: '09584896-81e2-4c83-8f6c-70eb8321e1d0',
    kindGuid: '3981cdd1-a279-4a51-85d5-58db391603c2',
    ...{ leading: null, money: false, alien: 'TotalAmount' },
  },
];

describe.each(directumStands)('documents beside contracts, as $name answers', ({ open }) => {
  let rx: DirectumStand;
  let metadata: string;
  let kinds: Json[];
  let currency: number;
  let companies: number[];
  let contract: number;
  const run = `contract-suite-${mark()}`;

  const make = (set: string, body: Json) => makeOn(rx, set, body);
  const patch = (address: string, body: Json) => rx.ask(address, { verb: 'PATCH', body });
  const read = async (address: string, options: Record<string, string> = {}) =>
    (await rx.ask(`${address}${query(options)}`)).json;
  /** The kind a robot would take: the default of the type, else any that does not number itself. */
  const kindOf = (type: DocumentType): Json | undefined => {
    const own = kinds.filter(
      (kind) => String(kind['DocumentType']?.['DocumentTypeGuid']).toLowerCase() === type.typeGuid,
    );
    return own.find((kind) => kind['IsDefault']) ?? own.find((kind) => !kind['AutoNumbering']);
  };
  const fields = (type: DocumentType): Json => ({
    ...rx.contract,
    ...{ DocumentKind: { Id: kindOf(type)?.['Id'] }, Name: run, Subject: 'Проверка документа', Note: run },
    ...(type.money
      ? { Counterparty: { Id: companies[0] }, TotalAmount: 1200.5, Currency: { Id: currency } }
      : {}),
    ...(type.leading ? { [type.leading]: { Id: contract } } : {}),
  });
  const typed = (set: string): DocumentType => TYPES.find((type) => type.set === set) as DocumentType;
  const has = (type: DocumentType) =>
    metadata.includes(`<EntitySet Name="${type.set}"`) && kindOf(type) !== undefined;
  const fresh = async (type: DocumentType, more: Json = {}): Promise<number> => {
    const { status, json, text } = await make(type.set, { ...fields(type), ...more });
    expect(status, text).toBe(201);
    return json.Id;
  };

  beforeAll(async () => {
    rx = await open();
    metadata = (await rx.ask('$metadata', { headers: { accept: 'application/xml' } })).text;
    const select = 'Id,Name,IsDefault,AutoNumbering,NumberingType';
    const expand = 'DocumentType($select=Id,DocumentTypeGuid)';
    kinds = (
      await read('IDocumentKinds', {
        filter: "Status eq 'Active' and Id gt 0",
        orderby: 'Id',
        select,
        expand,
      })
    ).value;
    currency = (await read('ICurrencies', { filter: "Status eq 'Active'", top: '1' })).value[0].Id;
    companies = [];
    for (const Name of [`${run} 1`, `${run} 2`])
      companies.push((await make('ICompanies', { Name, Status: 'Active' })).json.Id);
    const head = { ...rx.contract, Name: run, Subject: 'Проверка', Counterparty: { Id: companies[0] } };
    const made = await make('IContracts', head);
    if (made.status !== 201) throw new Error(`contract suite: no contract: ${made.status} ${made.text}`);
    contract = made.json.Id;
  });

  afterAll(() => rx?.close());

  describe.each(TYPES)('$set', (type) => {
    it('is made with a number id, read with its kind, changed, and told by its type among all', async ({
      skip,
    }) => {
      if (!has(type)) return skip('the stand has no such set or no kind of it');
      const id = await fresh(type);
      expect(Number.isInteger(id)).toBe(true);
      const card = await read(`${type.set}(${id})`, { expand: 'DocumentKind($expand=DocumentType)' });
      expect(card).toMatchObject({ Id: id, Subject: 'Проверка документа', Note: run });
      expect(card.DocumentKind.DocumentType.DocumentTypeGuid.toLowerCase()).toBe(type.typeGuid);
      expect((await patch(`${type.set}(${id})`, { Note: `${run} 2` })).status).toBe(204);
      expect((await read(`${type.set}(${id})`)).Note).toBe(`${run} 2`);
      const { value } = await read('IOfficialDocuments', { filter: `Id eq ${id}` });
      expect(value[0]['@odata.type'].split('.').at(-1)).toBe(type.leaf);
    });

    it('starts as a draft, or in force where its kind is not numerable or numbers itself', async ({
      skip,
    }) => {
      if (!has(type)) return skip('the stand has no such set or no kind of it');
      const kind = kindOf(type);
      const { LifeCycleState } = await read(
        `${type.set}(${await fresh(type, { LifeCycleState: 'Obsolete' })})`,
      );
      const atOnce = kind?.['NumberingType'] === 'NotNumerable' || kind?.['AutoNumbering'] === true;
      expect(LifeCycleState).toBe(atOnce ? 'Active' : 'Draft');
    });

    it('is found by our key where the type has one, or refuses to look for it', async ({ skip }) => {
      if (!has(type)) return skip('the stand has no such set or no kind of it');
      const filter = `ExternalId eq ${quoted(`${run}:${type.set}`)}`;
      const asked = await rx.ask(`${type.set}${query({ filter, select: 'Id' })}`);
      expect([204, 400]).toContain(asked.status);
      if (asked.status === 400) return skip('this version has no ExternalId on the type');
      const id = await fresh(type, { ExternalId: `${run}:${type.set}` });
      const { value } = await read(type.set, { filter, select: 'Id' });
      expect(value).toEqual([expect.objectContaining({ Id: id })]);
    });

    it('refuses a property of another type: 400', async ({ skip }) => {
      if (!has(type)) return skip('the stand has no such set or no kind of it');
      const value = type.alien === 'TotalAmount' ? 1 : '2026-03-02T00:00:00Z';
      const { status } = await make(type.set, { ...fields(type), [type.alien]: value });
      expect(status).toBe(400);
    });

    it('keeps its leading document, and Directum relates the two', async ({ skip }) => {
      if (!has(type) || !type.leading) return skip('nothing leads it, or the stand does not have it');
      const id = await fresh(type);
      const card = await read(`${type.set}(${id})`, { expand: `${type.leading}($select=Id)` });
      expect(card[type.leading].Id).toBe(contract);
      expect(card.HasRelations).toBe(true);
    });

    it('has a predefined kind whose id the function tells, or 0', async ({ skip }) => {
      if (!has(type)) return skip('the stand has no such set or no kind of it');
      const args = `documentType=${type.typeGuid},kindGuid=${type.kindGuid}`;
      const { status, json } = await rx.ask(`Docflow/GetDocumentKindIdByGuid(${args})`);
      if (status === 500) return skip('the predefined kind is not there any more');
      expect(status).toBe(200);
      if (json.value === 0) return;
      const kind = await read(`IDocumentKinds(${json.value})`, { expand: 'DocumentType' });
      expect(kind.DocumentType.DocumentTypeGuid.toLowerCase()).toBe(type.typeGuid);
    });
  });

  describe('required by metadata', () => {
    it.each([
      ['IAddendums', 'LeadingDocument'],
      ['IOutgoingInvoices', 'TotalAmount'],
    ] as const)('%s without %s is 400 with words', async (set, name) => {
      const body = fields(typed(set));
      delete body[name];
      const { status, text } = await make(set, body);
      expect(status).toBe(400);
      expect(refusalText(text)).not.toBe('');
    });

    it.each(['IContractStatements', 'ISupAgreements'])(
      '%s without subject, counterparty and leading document is made: the card alone asks for them',
      async (set) => {
        const { Subject: _, Counterparty: __, LeadingDocument: ___, ...rest } = fields(typed(set));
        expect((await make(set, rest)).status).toBe(201);
      },
    );
  });

  describe('rules of cards', () => {
    it('an act takes an empty counterparty from its contract', async () => {
      const { Counterparty: _, ...rest } = fields(typed('IContractStatements'));
      const { json } = await make('IContractStatements', rest);
      const card = await read(`IContractStatements(${json.Id})`, { expand: 'Counterparty($select=Id)' });
      expect(card.Counterparty.Id).toBe(companies[0]);
    });

    it('another counterparty sends a foreign leading document away', async () => {
      const id = await fresh(typed('IContractStatements'));
      await patch(`IContractStatements(${id})`, { Counterparty: { Id: companies[1] } });
      const card = await read(`IContractStatements(${id})`, { expand: 'LeadingDocument($select=Id)' });
      expect(card.LeadingDocument).toBeNull();
    });

    it('a payment due before the date of an invoice is 400', async () => {
      const dates = { Number: '17', Date: '2026-03-02T00:00:00Z', PaymentDueDate: '2026-03-01T00:00:00Z' };
      const { status } = await make('IIncomingInvoices', { ...fields(typed('IIncomingInvoices')), ...dates });
      expect(status).toBe(400);
    });

    it('an incoming invoice keeps number and date of the paper', async () => {
      const paper = { Number: 'СЧ-17', Date: '2026-03-02T00:00:00Z', PaymentDueDate: '2026-03-12T00:00:00Z' };
      const card = await read(`IIncomingInvoices(${await fresh(typed('IIncomingInvoices'), paper)})`);
      expect(card.Number).toBe('СЧ-17');
      expect([card.Date, card.PaymentDueDate].map((day) => day.slice(0, 10))).toEqual([
        '2026-03-02',
        '2026-03-12',
      ]);
    });

    it('invoices can be paid, an act cannot', async () => {
      const paid = async (set: string) =>
        (await patch(`${set}(${await fresh(typed(set))})`, { LifeCycleState: 'Paid' })).status;
      expect(await paid('IIncomingInvoices')).toBe(204);
      expect(await paid('IOutgoingInvoices')).toBe(204);
      expect(await paid('IContractStatements')).toBe(400);
    });

    it('a relation can be made by its name, and by no name nobody knows', async () => {
      const [base, related] = [
        await fresh(typed('IContractStatements')),
        await fresh(typed('ISimpleDocuments')),
      ];
      const relate = (relationName: string) =>
        rx.ask('Docflow/AddRelations', {
          verb: 'POST',
          body: { relationName, baseDocumentId: base, relationDocumentId: related },
        });
      expect([200, 204]).toContain((await relate('Simple relation')).status);
      expect((await read(`ISimpleDocuments(${related})`)).HasRelations).toBe(true);
      expect((await relate('NoSuchRelation')).status).toBeGreaterThanOrEqual(400);
    });
  });

  describe('registration', () => {
    const register = (documentId: number, registrationNumber: string) =>
      rx.ask('Docflow/RegisterDocument', {
        verb: 'POST',
        body: {
          ...{ documentId, documentRegisterId: rx.register ?? NOWHERE, registrationNumber },
          ...{ registrationDate: '2026-03-02T00:00:00Z', numberReservation: false },
        },
      });
    const paper = String(Date.now()).slice(-9);

    it('gives an act the number and date of the paper, and its number to nobody else', async ({ skip }) => {
      if (rx.register === null) return skip('set CONTRACT_DIRECTUM_REGISTER to a numbering register of acts');
      const [first, second] = [
        await fresh(typed('IContractStatements')),
        await fresh(typed('IContractStatements')),
      ];
      const done = await register(first, paper);
      expect([200, 204], done.text).toContain(done.status);
      const card = await read(`IContractStatements(${first})`, { expand: 'DocumentRegister($select=Id)' });
      expect(card).toMatchObject({ RegistrationNumber: paper, RegistrationState: 'Registered' });
      expect(card.RegistrationDate.slice(0, 10)).toBe('2026-03-02');
      expect(card.DocumentRegister.Id).toBe(rx.register);
      const twin = await register(second, paper);
      expect(twin.status).toBe(400);
      expect(refusalText(twin.text)).toContain(paper);
      expect((await read(`IContractStatements(${second})`)).RegistrationNumber ?? '').toBe('');
    });

    it('by a GET is false without a number, and leaves the act as it was', async ({ skip }) => {
      if (!metadata.includes('Name="TryExternalRegisterDocument"')) return skip('since 4.8');
      const id = await fresh(typed('IContractStatements'));
      const args = `documentId=${id},number='',date=2026-03-02T00%3A00%3A00Z`;
      const { status, json } = await rx.ask(`Docflow/TryExternalRegisterDocument(${args})`);
      expect([status, json?.value]).toEqual([200, false]);
      expect((await read(`IContractStatements(${id})`)).RegistrationState).not.toBe('Registered');
    });

    it('settings and registers are read with what they are for', async () => {
      const settings = await rx.ask(
        `IRegistrationSettings${query({
          filter: "Status eq 'Active' and Id gt 0",
          top: '5',
          expand:
            'DocumentRegister($select=Id,Name),DocumentKinds($expand=DocumentKind($select=Id)),BusinessUnits($expand=BusinessUnit($select=Id)),Departments($expand=Department($select=Id))',
        })}`,
      );
      expect([200, 204]).toContain(settings.status);
      for (const row of settings.json?.value ?? []) {
        expect(['Registration', 'Reservation', 'Numeration']).toContain(row.SettingType);
        for (const list of ['DocumentKinds', 'BusinessUnits', 'Departments'])
          expect(Array.isArray(row[list])).toBe(true);
      }
    });

    it('of a document nobody has is 400 with words', async () => {
      const { status, text } = await register(NOWHERE, '1');
      expect(status).toBe(400);
      expect(refusalText(text)).not.toBe('');
    });
  });
});
