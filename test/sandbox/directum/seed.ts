import type { Model } from './model.ts';
import { type Add, seedDocumentWork, seedKinds } from './seed-documents.ts';

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
  const kinds = seedKinds(add);
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
  seedDocumentWork(add, { kinds, lawyer, service, application: applications['docx']! });
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
