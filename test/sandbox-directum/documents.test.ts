import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Directum, type DirectumOptions, startDirectum } from '../sandbox/directum/directum.ts';
import { caller } from './caller.ts';

type Fields = Record<string, unknown>;

let rx: Directum;
let party: number;
let contract: number;
const call = caller(() => rx);

async function open(options: DirectumOptions = {}) {
  rx = await startDirectum(options);
  party = rx.add('ICompanies', { Name: 'ООО Ромашка' });
  contract = await make('IContracts', { Subject: 'Поставка', Counterparty: { Id: party } });
}
async function restart(options: DirectumOptions) {
  await rx.stop();
  await open(options);
}
async function make(set: string, fields: Fields = {}): Promise<number> {
  const answer = await call('POST', set, { Subject: 'Работы за март', ...fields });
  expect(answer.status, answer.text).toBe(201);
  return answer.json.Id;
}
const refusal = async (set: string, fields: Fields) => {
  const { status, text } = await call('POST', set, fields);
  expect(status).toBe(400);
  return text;
};
const kind = (name: string): number => rx.all('IDocumentKinds').find((one) => one.Name === name).Id;
const currency = (): number => rx.all('ICurrencies')[0].Id;
const money = () => ({ TotalAmount: 1200, Currency: { Id: currency() } });

/** Every type beside contracts with what its card cannot do without. */
const types: [set: string, fields: () => Fields, kind: string][] = [
  ['IContractStatements', () => ({ LeadingDocument: { Id: contract } }), 'Акт'],
  ['IOutgoingInvoices', money, 'Счёт на оплату'],
  ['IIncomingInvoices', () => ({ Contract: { Id: contract } }), 'Счёт поставщика'],
  ['ISupAgreements', () => ({ LeadingDocument: { Id: contract } }), 'Дополнительное соглашение'],
  ['IUniversalTransferDocuments', () => ({ DocumentKind: { Id: kind('УПД') } }), 'УПД'],
  ['IWaybills', () => ({ LeadingDocument: { Id: contract } }), 'Накладная'],
  ['IAddendums', () => ({ LeadingDocument: { Id: contract } }), 'Приложение'],
  ['ISimpleDocuments', () => ({ Name: 'Письмо' }), 'Простой документ'],
];

beforeEach(() => open());
afterEach(() => rx.stop());

describe.each(types)('%s', (set, fields, kindName) => {
  it.each(['4.3', '4.8', '4.11'] as const)('is made, read and changed in %s', async (generation) => {
    await restart({ generation });
    const id = await make(set, fields());
    const read = await call('GET', `${set}(${id})?$expand=DocumentKind($select=Name),BusinessUnit`);
    expect(read.json).toMatchObject({
      Id: id,
      Subject: 'Работы за март',
      DocumentKind: { Name: kindName },
      BusinessUnit: { Name: 'ООО «Альфа»' },
      RegistrationState: 'NotRegistered',
    });
    expect((await call('PATCH', `${set}(${id})`, { Note: 'правка' })).status).toBe(204);
    expect(rx.get(set, id)).toMatchObject({ Note: 'правка', Subject: 'Работы за март' });
  });

  it('refuses the kind of another type and a closed one', async () => {
    for (const name of ['Договор', 'Акт старого образца'])
      expect(await refusal(set, { ...fields(), DocumentKind: { Id: kind(name) } })).toContain(name);
  });

  it('is approved by process and signed on its version', async () => {
    const id = await make(set, fields());
    await call('POST', `${set}(${id})/Versions`, { Note: 'первая' });
    const body = { documentId: id, text: null, addApproverIds: [rx.all('IEmployees')[1].Id] };
    const draft = await call('POST', 'DocflowApproval/CreateDocumentFlowTask', body);
    expect((await call('POST', 'Docflow/StartTask', { taskId: draft.json.value })).status).toBe(204);
    rx.approve(draft.json.value);
    rx.sign(id);
    expect(rx.get(set, id)).toMatchObject({ InternalApprovalState: 'Signed', LastVersionApproved: true });
  });
});

describe('properties', () => {
  it('are only those of the type', async () => {
    const alien: [string, Fields][] = [
      ['IAddendums', { TotalAmount: 1 }],
      ['ISimpleDocuments', { Counterparty: { Id: party } }],
      ['IWaybills', { PaymentDueDate: '2026-03-02T00:00:00Z' }],
      ['ISupAgreements', { Number: '1' }],
      ['IContractStatements', { Contract: { Id: contract } }],
    ];
    for (const [set, fields] of alien) expect(await refusal(set, fields)).toContain('does not exist');
  });

  it('are demanded where the metadata demands them', async () => {
    expect(await refusal('IOutgoingInvoices', { TotalAmount: 5 })).toContain('Currency');
    expect(await refusal('IOutgoingInvoices', { Currency: { Id: currency() } })).toContain('TotalAmount');
    expect(await refusal('IAddendums', { Subject: 'Х' })).toContain('LeadingDocument');
    expect(await refusal('IUniversalTransferDocuments', { Subject: 'Х' })).toContain('Вид документа');
  });

  it('of the key are missing where the version has none', async () => {
    const having = async () => {
      const found: string[] = [];
      for (const [set] of types) {
        const query = `${set}?$filter=${encodeURIComponent("ExternalId eq 'x'")}`;
        if ((await call('GET', query)).status !== 400) found.push(set);
      }
      return found;
    };
    expect(await having()).toHaveLength(types.length);
    await restart({ generation: '4.3' });
    expect(await having()).toEqual(['IContractStatements', 'IIncomingInvoices']);
  });
});

describe('leading documents', () => {
  const act = (fields: Fields = {}) => make('IContractStatements', fields);

  it('give an act counterparty and relation, and take the relation along', async () => {
    const id = await act({ LeadingDocument: { Id: contract } });
    expect(rx.get('IContractStatements', id)).toMatchObject({
      Counterparty: { Id: party },
      HasRelations: true,
    });
    expect(rx.relations(contract)).toEqual([{ name: 'FinancialDocuments', base: contract, related: id }]);
    await call('PATCH', `IContractStatements(${id})`, { LeadingDocument: null });
    expect(rx.relations(contract)).toEqual([]);
    expect(rx.get('IContracts', contract).HasRelations).toBe(false);
  });

  it('are related by the names of their types', async () => {
    await make('IIncomingInvoices', { Contract: { Id: contract } });
    await make('ISupAgreements', { LeadingDocument: { Id: contract } });
    await make('IAddendums', { LeadingDocument: { Id: contract } });
    const names = rx.relations(contract).map((one) => one.name);
    expect(names).toEqual(['FinancialDocuments', 'SupAgreement', 'Addendum']);
    const simple = await make('ISimpleDocuments', { Name: 'Письмо' });
    const body = { relationName: 'Simple relation', baseDocumentId: contract, relationDocumentId: simple };
    expect((await call('POST', 'Docflow/AddRelations', body)).status).toBe(204);
    expect(rx.relations(simple)).toHaveLength(1);
    expect((await call('POST', 'Docflow/AddRelations', { ...body, relationName: 'Addenda' })).status).toBe(
      400,
    );
  });

  it('of the wrong type or unreadable are not taken', async () => {
    const id = await act({ LeadingDocument: { Id: contract } });
    await refusal('IWaybills', { LeadingDocument: { Id: id } });
    await refusal('IIncomingInvoices', { Contract: { Id: id } });
    expect((await call('PATCH', `IAddendums(1)`, {})).status).toBe(404);
    rx.misbehave.hide('IContracts', contract);
    await refusal('IContractStatements', { Subject: 'Х', LeadingDocument: { Id: contract } });
  });

  it('of an agreement may be an agreement only where the version has it so', async () => {
    const first = await make('ISupAgreements', { LeadingDocument: { Id: contract } });
    await make('ISupAgreements', { LeadingDocument: { Id: first } });
    await restart({ generation: '4.8' });
    const older = await make('ISupAgreements', { LeadingDocument: { Id: contract } });
    await refusal('ISupAgreements', { Subject: 'Х', LeadingDocument: { Id: older } });
  });

  it('of another counterparty go when the counterparty becomes another one', async () => {
    const other = rx.add('ICompanies', { Name: 'ООО Лютик' });
    const id = await act({ LeadingDocument: { Id: contract } });
    await call('PATCH', `IContractStatements(${id})`, { Counterparty: { Id: other } });
    expect(rx.get('IContractStatements', id)).toMatchObject({
      Counterparty: { Id: other },
      LeadingDocument: null,
    });
    const invoice = await make('IIncomingInvoices', {
      Contract: { Id: contract },
      Counterparty: { Id: other },
    });
    expect(rx.get('IIncomingInvoices', invoice).Contract).toBeNull();
  });

  it('vanish beside a counterparty while the server applies that last, and stay when written once more', async () => {
    rx.misbehave.counterpartyLast = true;
    const id = await act({ Counterparty: { Id: party }, LeadingDocument: { Id: contract } });
    expect(rx.get('IContractStatements', id)).toMatchObject({
      Counterparty: { Id: party },
      LeadingDocument: null,
    });
    const again = { Counterparty: { Id: party }, LeadingDocument: { Id: contract } };
    expect((await call('PATCH', `IContractStatements(${id})`, again)).status).toBe(204);
    expect(rx.get('IContractStatements', id).LeadingDocument.Id).toBe(contract);
  });

  it('put there by hand are related as well', () => {
    const id = rx.add('IWaybills', { LeadingDocument: contract });
    expect(rx.relations(id)).toHaveLength(1);
    rx.patch('IWaybills', id, { LeadingDocument: null });
    expect(rx.relations(id)).toEqual([]);
  });

  it('cannot be deleted from above what they lead', async () => {
    await act({ LeadingDocument: { Id: contract } });
    expect((await call('DELETE', `IContracts(${contract})`)).status).toBe(400);
    const related = rx.relations(contract)[0]?.related;
    expect((await call('DELETE', `IContractStatements(${related})`)).status).toBe(204);
    expect(rx.relations(contract)).toEqual([]);
    expect((await call('DELETE', `IContracts(${contract})`)).status).toBe(204);
  });
});

describe('cards', () => {
  it('count VAT, leave the currency of an invoice to us, and refuse a payment before the date', async () => {
    const rate = rx.all('IVatRates').find((one) => one.Name === '20%').Id;
    const id = await make('IOutgoingInvoices', { ...money(), VatRate: { Id: rate } });
    expect(rx.get('IOutgoingInvoices', id)).toMatchObject({ VatAmount: 200, NetAmount: 1000 });
    const act = await make('IContractStatements', { TotalAmount: 5 });
    expect(rx.get('IContractStatements', act).Currency).toBeNull();
    const dates = { Date: '2026-03-02T00:00:00Z', PaymentDueDate: '2026-03-01T00:00:00Z' };
    await refusal('IIncomingInvoices', { Subject: 'Х', ...dates });
  });

  it('are paid where there is something to pay', async () => {
    const outgoing = await make('IOutgoingInvoices', money());
    const incoming = await make('IIncomingInvoices', { Number: '17', Date: '2026-03-02T00:00:00Z' });
    const act = await make('IContractStatements');
    const pay = (set: string, id: number) => call('PATCH', `${set}(${id})`, { LifeCycleState: 'Paid' });
    expect((await pay('IOutgoingInvoices', outgoing)).status).toBe(204);
    expect((await pay('IIncomingInvoices', incoming)).status).toBe(204);
    expect((await pay('IContractStatements', act)).json).toContain('Paid');
    expect(rx.get('IIncomingInvoices', incoming)).toMatchObject({ LifeCycleState: 'Paid' });
  });

  it('whose kind is not numerable are in force at once, and named after the paper', async () => {
    const paper = { Number: '17', Date: '2026-03-02T00:00:00Z', Counterparty: { Id: party } };
    const id = await make('IIncomingInvoices', { ...paper, LifeCycleState: 'Draft' });
    expect(rx.get('IIncomingInvoices', id)).toMatchObject({
      LifeCycleState: 'Active',
      Name: 'Счёт поставщика №17 от 02.03.2026 с ООО Ромашка "Работы за март"',
    });
    const addendum = await make('IAddendums', { LeadingDocument: { Id: contract } });
    expect(rx.get('IAddendums', addendum).LifeCycleState).toBe('Active');
    expect(rx.get('IWaybills', await make('IWaybills')).LifeCycleState).toBe('Draft');
  });

  it('get a default kind only if the account may use it', async () => {
    rx.misbehave.hide('IDocumentKinds', kind('Акт'));
    expect(await refusal('IContractStatements', { Subject: 'Х' })).toContain('Вид документа');
  });

  it('fill a template with their values', async () => {
    const template = rx.all('IDocumentTemplates').find((one) => one.Name === 'Акт выполненных работ').Id;
    const id = await make('IContractStatements', { LeadingDocument: { Id: contract }, TotalAmount: 7 });
    const body = { documentId: id, templateId: template };
    expect((await call('POST', 'Docflow/CreateVersionFromTemplate', body)).status).toBe(204);
    expect(rx.versions(id)[0]?.bytes?.toString()).toBe(
      'Акт с ООО Ромашка. Предмет: Работы за март. Сумма: 7.',
    );
  });
});

describe('approval by rule', () => {
  const draft = (documentId: number) => {
    const body = { documentId, text: null, signatoryId: null, addApproverIds: [] };
    return call('POST', 'Docflow/CreateApprovalTask', body);
  };

  it.each(types.filter(([set]) => set !== 'ISimpleDocuments'))(
    'takes %s to a signature',
    async (set, fields) => {
      const id = await make(set, fields());
      await call('POST', `${set}(${id})/Versions`, {});
      const taskId = (await draft(id)).json.value;
      expect((await call('POST', 'Docflow/StartTask', { taskId })).status).toBe(204);
      rx.approve(taskId);
      rx.sign(id);
      expect(rx.get(set, id)).toMatchObject({ InternalApprovalState: 'Signed', LastVersionApproved: true });
    },
  );

  it('goes on to a registrar after the signature, where the rule has one', async () => {
    const [, rule] = rx.all('IApprovalRules').map((one) => one.Id);
    rx.patch('IApprovalRules', rule, { $registrar: rx.all('IEmployees')[2].Id });
    const id = await make('ISupAgreements', { LeadingDocument: { Id: contract } });
    const taskId = (await draft(id)).json.value;
    await call('POST', 'Docflow/StartTask', { taskId });
    rx.approve(taskId);
    rx.sign(id);
    expect(rx.get('ISupAgreements', id).InternalApprovalState).toBe('Signed');
    expect(rx.get('ITasks', taskId).Status).toBe('InProcess');
    rx.register(id);
    expect(rx.get('ITasks', taskId).Status).toBe('Completed');
    expect(rx.all('IApprovalRegistrationAssignments')).toMatchObject([{ Result: 'Execute' }]);
    expect(rx.get('ISupAgreements', id)).toMatchObject({ RegistrationNumber: '1', LifeCycleState: 'Draft' });
    rx.signByCounterparty(id);
    expect(rx.get('ISupAgreements', id).LifeCycleState).toBe('Active');
  });

  it('has none for a simple document, which goes freely', async () => {
    const documentId = await make('ISimpleDocuments', { Name: 'Письмо' });
    expect((await draft(documentId)).status).toBe(400);
    const approverIds = [rx.all('IEmployees')[1].Id];
    const body = { documentId, text: null, deadline: null, approverIds };
    const taskId = (await call('POST', 'Docflow/CreateFreeApprovalTask', body)).json.value;
    expect((await call('POST', 'Docflow/StartTask', { taskId })).status).toBe(204);
  });

  it('takes the addenda along in a group of their own', async () => {
    const addendum = await make('IAddendums', { LeadingDocument: { Id: contract } });
    const taskId = (await draft(contract)).json.value;
    await call('POST', 'Docflow/StartTask', { taskId });
    const of = (id: number, group: string) => {
      const lambda = `AttachmentDetails/any(a: a/AttachmentId eq ${id}${group})`;
      return call('GET', `IApprovalTasks?$filter=${encodeURIComponent(lambda)}`);
    };
    const main = ' and a/GroupId eq 08e1ef90-521f-41a1-a13f-c6f175007e54';
    expect((await of(contract, main)).status).toBe(200);
    expect((await of(addendum, '')).status).toBe(200);
    expect((await of(addendum, main)).status).toBe(204);
    const approverIds = [rx.all('IEmployees')[1].Id];
    const body = { documentId: contract, text: null, deadline: null, approverIds };
    const free = (await call('POST', 'Docflow/CreateFreeApprovalTask', body)).json.value;
    await call('POST', 'Docflow/StartTask', { taskId: free });
    expect(rx.get('ITasks', free).AttachmentDetails).toHaveLength(1);
  });
});

describe('a type the account may not change', () => {
  it('is closed through its base sets too', async () => {
    const id = await make('IContractStatements');
    rx.misbehave.forbid.add('IContractStatements');
    const writes = [
      call('PATCH', `IOfficialDocuments(${id})`, { Note: 'x' }),
      call('POST', `IElectronicDocuments(${id})/Versions`, {}),
      call('DELETE', `IElectronicDocuments(${id})`),
    ];
    for (const { status } of await Promise.all(writes)) expect(status).toBe(403);
    expect((await call('GET', `IContractStatements(${id})`)).status).toBe(200);
  });
});

describe('installations', () => {
  it('move types to a layer of their own, rename sets, and lack sets and properties', async () => {
    await restart({
      installation: {
        layer: { module: 'AuraNPO', types: ['ContractStatement'] },
        setNames: { AccountingDocumentBase: 'IAccountingDocumentBases' },
        without: ['Waybill', 'OfficialDocument.ExternalId'],
      },
    });
    const id = await make('IContractStatements');
    const shown = (await call('GET', `IAccountingDocumentBases(${id})`)).json;
    expect(shown['@odata.type']).toBe(
      '#Sungero.IntegrationService.Models.Generated.AuraNPO.IContractStatementDto',
    );
    expect((await call('GET', `IDocflowAccountingDocumentBases(${id})`)).status).toBe(404);
    expect((await call('POST', 'IWaybills', {})).status).toBe(404);
    const keyed = { Name: 'Письмо', ExternalId: 'x' };
    expect(await refusal('ISimpleDocuments', keyed)).toContain("'ExternalId' does not exist");
    await make('IContractStatements', { ExternalId: 'x' });
    const { text } = await call('GET', '$metadata', undefined, { accept: 'application/xml' });
    expect(text).toContain('Generated.AuraNPO.IContractStatementDto');
    expect(text).not.toMatch(/Name="IWaybills"|IDocflowAccountingDocumentBases/);
  });
});

describe('a stand that refuses every write', () => {
  it('counts what was refused, a GET that writes too, and lets readers be', async () => {
    const id = await make('IContractStatements');
    const before = JSON.stringify(rx.all('IElectronicDocuments'));
    rx.misbehave.refuseWrites = true;
    const writes = [
      call('POST', 'IWaybills', {}),
      call('PATCH', `IContractStatements(${id})`, { Note: 'x' }),
      call('POST', `IContractStatements(${id})/Versions`, {}),
      call('DELETE', `IContractStatements(${id})`),
      call('POST', 'Docflow/StartTask', { taskId: 1 }),
      call(
        'GET',
        `Docflow/TryExternalRegisterDocument(documentId=${id},number='1',date=2026-03-02T00%3A00%3A00Z)`,
      ),
    ];
    for (const { status } of await Promise.all(writes)) expect(status).toBe(403);
    expect(rx.misbehave.refusedWrites).toBe(writes.length);
    expect((await call('GET', `IContractStatements(${id})`)).status).toBe(200);
    expect((await call('GET', 'Docflow/GetCurrentCultureName()')).status).toBe(200);
    expect(rx.misbehave.refusedWrites).toBe(writes.length);
    expect(JSON.stringify(rx.all('IElectronicDocuments'))).toBe(before);
    rx.misbehave.reset();
    expect(rx.misbehave.refusedWrites).toBe(0);
    await make('IWaybills');
  });
});
