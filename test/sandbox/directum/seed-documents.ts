import { typeGuids } from './document-kinds.ts';

export type Add = (set: string, entity: Record<string, unknown>) => number;
type Fields = Record<string, unknown>;

type Kinds = ReturnType<typeof seedKinds>;

/** Kinds of nine types: the predefined ones (contract B.6) and some a company makes for itself. */
export function seedKinds(add: Add) {
  const type = (Name: string, DocumentTypeGuid: string, DocumentFlow: string) =>
    add('IDocumentTypes', { Name, DocumentTypeGuid, DocumentFlow, Status: 'Active' });
  const contract = type('Договор', typeGuids.Contract, 'Contracts');
  const agreement = type('Дополнительное соглашение', typeGuids.SupAgreement, 'Contracts');
  const act = type('Акт', typeGuids.ContractStatement, 'Contracts');
  const simple = type('Простой документ', typeGuids.SimpleDocument, 'Inner');
  const outgoing = type('Исходящий счёт', typeGuids.OutgoingInvoice, 'Outgoing');
  const incoming = type('Входящий счёт', typeGuids.IncomingInvoice, 'Incoming');
  const transfer = type(
    'Универсальный передаточный документ',
    typeGuids.UniversalTransferDocument,
    'Contracts',
  );
  // Nobody knows in which case a stand keeps its GUIDs (contract B.6).
  const waybill = type('Накладная', typeGuids.Waybill.toUpperCase(), 'Contracts');
  const addendum = type('Приложение к документу', typeGuids.Addendum, 'Inner');

  const kind = (Name: string, DocumentType: number, NumberingType: string, fields: Fields) =>
    add('IDocumentKinds', {
      ...{ Name, ShortName: Name, DocumentType, NumberingType, DocumentFlow: 'Contracts' },
      ...{ AutoNumbering: false, GenerateDocumentName: true, IsDefault: false, Status: 'Active', ...fields },
    });
  const main = (guid: string, fields: Fields = {}) => ({ IsDefault: true, $guid: guid, ...fields });
  const kinds = {
    contract: kind('Договор', contract, 'Registrable', main('2a42d335-4a84-4019-ab54-d0ab8344d232')),
    supply: kind('Договор поставки', contract, 'Registrable', { GenerateDocumentName: false }),
    act: kind('Акт', act, 'Numerable', main('c1f11157-4e42-4ce0-9423-ae05567b162e')),
    agreement: kind(
      'Дополнительное соглашение',
      agreement,
      'Numerable',
      main('a5b2c424-0f31-4809-b160-acc0c4583574'),
    ),
    simple: kind(
      'Простой документ',
      simple,
      'Registrable',
      main('3981cdd1-a279-4a51-85d5-58db391603c2', { GenerateDocumentName: false, DocumentFlow: 'Inner' }),
    ),
    outgoing: kind(
      'Счёт на оплату',
      outgoing,
      'Numerable',
      main('0be84c5b-7747-4a1f-940b-2f7c9cce6c55', { DocumentFlow: 'Outgoing' }),
    ),
    prepayment: kind('Счёт на предоплату', outgoing, 'Numerable', {
      AutoNumbering: true,
      DocumentFlow: 'Outgoing',
    }),
    incoming: kind(
      'Счёт поставщика',
      incoming,
      'NotNumerable',
      main('558baab7-784d-42f8-bcb7-ba8c0e8821a3', { DocumentFlow: 'Incoming' }),
    ),
    transfer: kind(
      'УПД со счётом-фактурой',
      transfer,
      'Numerable',
      main('cac00143-a9a0-4ee1-98d1-f996a9f4cc5e', { IsDefault: false }),
    ),
    transferBasic: kind(
      'УПД',
      transfer,
      'Numerable',
      main('846b074a-2af0-44b4-9611-ecc87ebe1a60', { IsDefault: false }),
    ),
    waybill: kind('Накладная', waybill, 'Numerable', main('8dcf8d7a-9868-4620-83ff-8ff81a5be520')),
    addendum: kind(
      'Приложение',
      addendum,
      'NotNumerable',
      main('2734ab0b-fd71-4fd2-820e-c25042488547', { DocumentFlow: 'Inner' }),
    ),
    oldAct: kind('Акт старого образца', act, 'Numerable', { Status: 'Closed' }),
  };
  const category = (Name: string, DocumentKind: number) =>
    add('IContractCategories', { Name, DocumentKinds: [{ DocumentKind }], Status: 'Active' });
  category('Продажа', kinds.contract);
  category('Услуги', kinds.contract);
  category('Поставка', kinds.supply);
  return kinds;
}

/** Registers with their group, settings, templates and rules of approval. */
export function seedDocumentWork(
  add: Add,
  {
    kinds,
    lawyer,
    service,
    application,
  }: { kinds: Kinds; lawyer: number; service: number; application: number },
): void {
  const rows = (...ids: number[]) => ids.map((DocumentKind) => ({ DocumentKind }));
  const rule = (Name: string, DocumentFlow: string, ...ids: number[]) =>
    add('IApprovalRules', {
      ...{ Name, DocumentFlow, DocumentKinds: rows(...ids), Priority: 1, Status: 'Active' },
      Approvers: [{ Approver: lawyer }],
    });
  rule('Согласование договоров', 'Contracts', kinds.contract, kinds.supply);
  rule('Согласование допсоглашений', 'Contracts', kinds.agreement, kinds.addendum);
  const primary = [kinds.act, kinds.transfer, kinds.transferBasic, kinds.waybill];
  rule('Согласование первичных документов', 'Contracts', ...primary);
  rule('Согласование счетов', 'Outgoing', kinds.outgoing, kinds.prepayment, kinds.incoming);

  const template = (Name: string, words: string, kind: number, Id?: number) =>
    add('IDocumentTemplates', {
      ...{ Name, Status: 'Active', DocumentKinds: rows(kind), ...(Id ? { Id } : {}) },
      Versions: [{ Number: 1, AssociatedApplication: application, Body: Buffer.from(words) }],
    });
  const values = '{Counterparty}. Предмет: {Subject}. Сумма: {TotalAmount}.';
  template('Типовой договор', `Договор с ${values}`, kinds.contract);
  // Ids of their own, so that the first document made is where it always was.
  template('Типовое допсоглашение', `Дополнительное соглашение с ${values}`, kinds.agreement, 4001);
  template('Акт выполненных работ', `Акт с ${values}`, kinds.act, 4002);
  template('Счёт на оплату', `Счёт для ${values}`, kinds.outgoing, 4003);

  const group = add('IRegistrationGroups', {
    ...{ Id: 900, Name: 'Делопроизводители', Status: 'Active' },
    RecipientLinks: [{ Member: service }, { Member: lawyer }],
  });
  const register = (Name: string, DocumentFlow: string, RegisterType: string, fields: Fields = {}) =>
    add('IDocumentRegisters', {
      ...{ Name, DocumentFlow, RegisterType, NumberingPeriod: 'Year', NumberingSection: 'NoSection' },
      ...{ Status: 'Active', ...fields },
    });
  register('Договоры', 'Contracts', 'Registration', { RegistrationGroup: group });
  register('Внутренние документы', 'Inner', 'Registration', { RegistrationGroup: group });
  const primaryRegister = register('Первичные документы', 'Contracts', 'Numbering');
  const agreementRegister = register('Допсоглашения', 'Contracts', 'Numbering', {
    ...{ NumberingPeriod: 'Continuous', NumberingSection: 'LeadingDocument' },
  });
  const invoiceRegister = register('Исходящие счета', 'Outgoing', 'Numbering', { NumberOfDigitsInNumber: 5 });
  const setting = (Name: string, DocumentFlow: string, DocumentRegister: number, ...ids: number[]) =>
    add('IRegistrationSettings', {
      ...{ Name, SettingType: 'Numeration', DocumentFlow, DocumentRegister, Priority: 1, Status: 'Active' },
      DocumentKinds: rows(...ids),
    });
  setting('Нумерация первичных документов', 'Contracts', primaryRegister, ...primary);
  setting('Нумерация допсоглашений', 'Contracts', agreementRegister, kinds.agreement);
  setting('Нумерация исходящих счетов', 'Outgoing', invoiceRegister, kinds.outgoing, kinds.prepayment);
}
