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
