import type { Model } from './model.ts';

type Add = (set: string, entity: Record<string, unknown>) => number;
type Patch = (set: string, id: number, fields: Record<string, unknown>) => void;

/** What a fresh stand holds: directories, one own company with its people, a template and a rule for contracts. */
export function seed(
  add: Add,
  patch: Patch,
  model: Model,
  options: { login: string; employeeless: boolean },
): { user: number; employee: number | null } {
  const russia = add('ICountries', { Name: 'Россия', Code: '643', Status: 'Active' });
  const region = add('IRegions', { Name: 'Москва', Country: russia, Code: '77', Status: 'Active' });
  add('ICities', { Name: 'Москва', Region: region, Country: russia, Status: 'Active' });
  const currencies = [
    ['Российский рубль', 'RUB', '643'],
    ['Доллар США', 'USD', '840'],
    ['Евро', 'EUR', '978'],
  ];
  for (const [Name, AlphaCode, NumericCode] of currencies)
    add('ICurrencies', {
      Name,
      AlphaCode,
      NumericCode,
      ShortName: AlphaCode,
      IsDefault: AlphaCode === 'RUB',
      Status: 'Active',
    });
  for (const [Name, Rate] of [
    ['Без НДС', 0],
    ['20%', 20],
    ['10%', 10],
    ['22%', 22],
  ] as const)
    add('IVatRates', { Name, Rate, Status: 'Active' });
  const applications = Object.fromEntries(
    ['docx', 'pdf', 'txt', 'xlsx', 'doc'].map((Extension) => [
      Extension,
      add('IAssociatedApplications', {
        Name: `Приложение ${Extension}`,
        Extension,
        MonitoringType: 'ByProcess',
        Status: 'Active',
      }),
    ]),
  );
  seedKinds(add);
  const unit = add('IBusinessUnits', {
    Name: 'ООО «Альфа»',
    LegalName: 'Общество с ограниченной ответственностью «Альфа»',
    TIN: '7707083893',
    TRRC: '770701001',
    Status: 'Active',
  });
  const department = add('IDepartments', { Name: 'Отдел продаж', BusinessUnit: unit, Status: 'Active' });
  const loginId = add('ILogins', {
    LoginName: options.login,
    TypeAuthentication: 'Password',
    NeedChangePassword: false,
    Status: 'Active',
  });
  const hire = (LastName: string, FirstName: string, Email: string | null, Login: number | null) => {
    const Person = add('IPersons', {
      LastName,
      FirstName,
      Name: `${LastName} ${FirstName}`,
      Status: 'Active',
      Nonresident: false,
    });
    return add('IEmployees', {
      Name: `${LastName} ${FirstName}`,
      Person,
      Department: department,
      Email,
      Login,
      Status: 'Active',
    });
  };
  const service = options.employeeless
    ? add('IUsers', { Name: 'Битрикс24', Login: loginId, Status: 'Active' })
    : hire('Битрикс24', 'Обмен', null, loginId);
  hire('Иванов', 'Иван', 'ivanov@acme.example', null);
  const lawyer = hire('Петрова', 'Анна', 'petrova@acme.example', null);
  const director = hire('Сидоров', 'Пётр', 'sidorov@acme.example', null);
  hire('Смирнова', 'Ольга', 'smirnova@acme.example', null);
  patch('IBusinessUnits', unit, { CEO: director });
  const right = {
    Recipient: director,
    Reason: 'Duties',
    Limit: 'NoLimit',
    DocumentFlow: 'All',
    SigningReason: 'Устав',
    Priority: 1,
  };
  add('ISignatureSettings', { Name: 'Сидоров, Устав', ...right, Status: 'Active' });
  const kinds = [1, 2].map((DocumentKind) => ({ DocumentKind }));
  add('IApprovalRules', {
    Name: 'Согласование договоров',
    DocumentFlow: 'Contracts',
    DocumentKinds: kinds,
    Approvers: [{ Approver: lawyer }],
    Priority: 1,
    Status: 'Active',
  });
  const body = Buffer.from('Договор с {Counterparty}. Предмет: {Subject}. Сумма: {TotalAmount}.');
  add('IDocumentTemplates', {
    ...{ Name: 'Типовой договор', Status: 'Active', DocumentKinds: [{ DocumentKind: 1 }] },
    Versions: [{ Number: 1, AssociatedApplication: applications['docx'], Body: body }],
  });
  add('IDocumentRegisters', {
    Name: 'Договоры',
    RegisterType: 'Registration',
    DocumentFlow: 'Contracts',
    NumberingPeriod: 'Year',
    Status: 'Active',
  });
  if (model.sets.has('IProcessKinds'))
    add('IProcessKinds', {
      Name: 'Согласование документа',
      Uuid: '5b2a0c1e-6f43-4f0b-9d61-0a4c7be1d2f3',
      TaskType: 'DocumentFlowTask',
      Priority: 1,
      Status: 'Active',
    });
  return { user: service, employee: options.employeeless ? null : service };
}

function seedKinds(add: Add): void {
  const type = (Name: string, DocumentTypeGuid: string, DocumentFlow: string) =>
    add('IDocumentTypes', { Name, DocumentTypeGuid, DocumentFlow, Status: 'Active' });
  const contract = type('Договор', 'f37c7e63-b134-4446-9b5b-f8811f6c9666', 'Contracts');
  const agreement = type('Дополнительное соглашение', '265f2c57-6a8a-4a15-833b-ca00e8047fa5', 'Contracts');
  const act = type('Акт', 'f2f5774d-5ca3-4725-b31d-ac618f6b8850', 'Contracts');
  const simple = type('Простой документ', '09584896-81e2-4c83-8f6c-70eb8321e1d0', 'Inner');
  const kind = (Name: string, DocumentType: number, NumberingType: string, fields: Record<string, unknown>) =>
    add('IDocumentKinds', {
      ...{
        Name,
        ShortName: Name,
        DocumentType,
        NumberingType,
        DocumentFlow: 'Contracts',
        AutoNumbering: false,
      },
      ...{ GenerateDocumentName: true, IsDefault: false, Status: 'Active', ...fields },
    });
  const main = kind('Договор', contract, 'Registrable', {
    IsDefault: true,
    $guid: '2a42d335-4a84-4019-ab54-d0ab8344d232',
  });
  kind('Договор поставки', contract, 'Registrable', { GenerateDocumentName: false });
  kind('Акт', act, 'Numerable', { IsDefault: true, $guid: 'c1f11157-4e42-4ce0-9423-ae05567b162e' });
  kind('Дополнительное соглашение', agreement, 'Numerable', {
    IsDefault: true,
    $guid: 'a5b2c424-0f31-4809-b160-acc0c4583574',
  });
  const inner = {
    IsDefault: true,
    GenerateDocumentName: false,
    DocumentFlow: 'Inner',
    $guid: '3981cdd1-a279-4a51-85d5-58db391603c2',
  };
  kind('Простой документ', simple, 'Registrable', inner);
  add('IContractCategories', { Name: 'Продажа', DocumentKinds: [{ DocumentKind: main }], Status: 'Active' });
  add('IContractCategories', { Name: 'Услуги', DocumentKinds: [{ DocumentKind: main }], Status: 'Active' });
  add('IContractCategories', {
    Name: 'Поставка',
    DocumentKinds: [{ DocumentKind: main + 1 }],
    Status: 'Active',
  });
}
