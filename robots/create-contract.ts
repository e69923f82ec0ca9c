import { z } from 'zod';
import { knowing, RobotFailure } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import { counterpartyMissing, namedEmployee, responsibleEmployee } from '../src/robot/people.ts';
import type { Contract, ContractDraft, Reference } from '../src/robot/ports/directum.ts';
import type { ItemSnapshot } from '../src/robot/ports/portal.ts';
import { defineRobot, type RobotContext, SALES_ITEMS } from '../src/robot/robot.ts';
import { inputMissing, invalid } from '../src/robot/run-robot.ts';
import { parseDayOrMoment, parseItemAmount, WireValueError } from '../src/robot/wire-values.ts';

const label = {
  kind: { ru: 'Вид документа', en: 'Document kind' },
  category: { ru: 'Категория договора', en: 'Contract category' },
  businessUnit: { ru: 'Наша организация', en: 'Own company' },
  department: { ru: 'Подразделение', en: 'Department' },
  amount: { ru: 'Сумма', en: 'Amount' },
  vatRate: { ru: 'Ставка НДС', en: 'VAT rate' },
  responsible: { ru: 'Ответственный', en: 'Responsible' },
  signatory: { ru: 'Подписант с нашей стороны', en: 'Our signatory' },
  template: { ru: 'Шаблон документа', en: 'Document template' },
  file: { ru: 'Поле с файлом', en: 'File field' },
  extra: { ru: 'Дополнительные поля', en: 'Extra fields' },
  validFrom: { ru: 'Действует с', en: 'Valid from' },
  validTill: { ru: 'Действует по', en: 'Valid till' },
  link: { ru: 'ИД готового договора', en: 'Id of an existing contract' },
};

const inputs = z.object({
  subject: field.string({ ru: 'Содержание', en: 'Subject' }),
  document_kind: field
    .string(label.kind, {
      ru: 'Имя или ИД; пусто = из настроек сервиса',
      en: 'Name or id; empty = the setting',
    })
    .optional(),
  category: field
    .string(label.category, {
      ru: 'Имя или ИД; пусто = решит Directum',
      en: 'Name or id; empty = Directum decides',
    })
    .optional(),
  business_unit: field
    .string(label.businessUnit, {
      ru: 'Имя, ИД или ИНН; пусто = из сделки',
      en: 'Name, id or TIN; empty = of the deal',
    })
    .optional(),
  department: field
    .string(label.department, {
      ru: 'Имя или ИД; пусто = ответственного',
      en: 'Name or id; empty = of the responsible',
    })
    .optional(),
  amount: field
    .money(label.amount, {
      ru: 'Например 1200000.50|RUB; пусто = сумма сделки',
      en: 'For example 1200000.50|RUB; empty = amount of the deal',
    })
    .optional(),
  vat_rate: field.string(label.vatRate, { ru: 'Имя или процент', en: 'Name or percent' }).optional(),
  valid_from: field.date(label.validFrom).optional(),
  valid_till: field.date(label.validTill).optional(),
  responsible: field
    .user(label.responsible, { ru: 'Пусто = ответственный сделки', en: 'Empty = responsible of the deal' })
    .optional(),
  our_signatory: field.user(label.signatory).optional(),
  template: field
    .string(label.template, { ru: 'Имя или ИД шаблона Directum', en: 'Name or id of a Directum template' })
    .optional(),
  file_field: field
    .string(label.file, { ru: 'Код поля сделки с файлом', en: "Code of the deal's file field" })
    .optional(),
  extra_fields: field
    .text(label.extra, { ru: 'Свойство=значение, по одному в строке', en: 'Property=value, one a line' })
    .optional(),
  slot: field.slot().default('contract'),
  link_document_id: field.int(label.link).optional(),
  if_exists: field
    .select(
      { ru: 'Если договор уже есть', en: 'If the contract exists' },
      { keep: { ru: 'Оставить', en: 'Keep' }, update: { ru: 'Обновить', en: 'Update' } },
    )
    .default('keep'),
});

type Inputs = z.output<typeof inputs>;

/** Creates a contract card in Directum RX for the counterparty of a deal: one per item and slot. */
export const createContract = defineRobot({
  code: 'directum_create_contract',
  name: { ru: 'Directum: создать договор', en: 'Directum: create contract' },
  description: {
    ru: 'Создаёт карточку договора в Directum RX по данным сделки. Повторный запуск вернёт тот же договор.',
    en: 'Creates a contract card in Directum RX from the deal. A repeat returns the same contract.',
  },
  items: SALES_ITEMS,
  inputs,

  outputs: z.object({
    document_id: field.int({ ru: 'ИД договора', en: 'Contract id' }),
    document_url: field.string({ ru: 'Ссылка на договор', en: 'Contract link' }),
    document_name: field.string({ ru: 'Имя договора', en: 'Contract name' }),
    registration_number: field.string({ ru: 'Регистрационный номер', en: 'Registration number' }),
    counterparty_id: field.int({ ru: 'ИД контрагента', en: 'Counterparty id' }).optional(),
    counterparty_url: field.string({ ru: 'Ссылка на контрагента', en: 'Counterparty link' }),
    created: field.bool({ ru: 'Создан сейчас', en: 'Created now' }),
    changed_fields: field.string({ ru: 'Изменённые поля', en: 'Changed fields' }),
  }),

  async run(given, context) {
    if (given.template !== undefined && given.file_field !== undefined) {
      throw invalid(label.file, given.file_field, {
        ru: 'указаны и шаблон, и файл; оставьте что-то одно',
        en: 'both a template and a file are given; leave one of them',
      });
    }
    if (given.valid_from && given.valid_till && given.valid_from > given.valid_till) {
      throw invalid(label.validTill, given.valid_till, {
        ru: `раньше, чем «${label.validFrom.ru}»; исправьте даты`,
        en: `it is before «${label.validFrom.en}»; mend the dates`,
      });
    }
    return context.slots.alone(given.slot, () => make(given, context));
  },
});

/** Finds the slot's contract, or makes it. */
async function make(given: Inputs, context: RobotContext) {
  const { directum, slots, log } = context;
  const owned = await findOwned(given.slot, context);
  let created =
    owned !== null && given.link_document_id === undefined && (await slots.begunByThisRun(given.slot));
  const linked = owned === null ? await findLinked(given, context) : null;
  const existing = owned ?? linked;
  const version = await knowing(owned ? toOutputs(owned, created) : {}, () =>
    checkVersion(given, context, existing),
  );
  if (linked) await directum.contracts.adopt(linked.id, slots.externalId(given.slot));

  let contract: Contract;
  let changedFields: string[] = [];
  if (existing) {
    contract = existing;
    if (given.if_exists === 'update' && !created && isOpenDraft(existing)) {
      ({ contract, changedFields } = await knowing(toOutputs(existing, created), async () => {
        const { draft } = await buildDraft(given, context, existing.counterparty);
        return directum.contracts.update(existing.id, draft);
      }));
    }
  } else {
    const { draft, counterparty } = await buildDraft(given, context, null);
    await slots.begin(given.slot);
    contract = await knowing(toCounterpartyOutputs(counterparty), () =>
      directum.contracts.create(slots.externalId(given.slot), draft),
    );
    created = true;
  }
  await slots.bind(given.slot, contract);

  log.info('contract.ready', { documentId: contract.id, created });
  const outputs = toOutputs(contract, created, changedFields);
  if (version) await knowing(outputs, () => addVersion(version, contract, given.slot, context));
  return outputs;
}

function toOutputs(contract: Contract, created: boolean, changedFields: string[] = []) {
  return {
    document_id: contract.id,
    document_url: contract.url,
    document_name: contract.name,
    registration_number: contract.registrationNumber ?? '',
    ...toCounterpartyOutputs(contract.counterparty),
    created,
    changed_fields: changedFields.join(','),
  };
}

function toCounterpartyOutputs(counterparty: Contract['counterparty']) {
  return { counterparty_id: counterparty?.id, counterparty_url: counterparty?.url ?? '' };
}

type Version = { template: Reference } | { fileField: string };

/**
 * Looks at the template or file before anything is made, so that a wrong one leaves no half contract; null when none
 * is asked for or the contract has its version.
 */
async function checkVersion(
  given: Inputs,
  { portal, directum }: RobotContext,
  existing: Contract | null,
): Promise<Version | null> {
  const { template, file_field: fileField } = given;
  if (template === undefined && fileField === undefined) return null;
  if (existing && (await directum.versions.hasBody(existing.id))) return null;
  if (template !== undefined)
    return { template: await directum.catalogue.template(template, label.template) };
  await ofFileField(async () => {
    const file = await portal.openFile(fileField as string);
    try {
      await directum.versions.checkFile(file);
    } finally {
      await file.cancel();
    }
  });
  return { fileField: fileField as string };
}

/** A file that cannot be used is told under the title of the robot's field. */
async function ofFileField<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isFile = error instanceof RobotFailure && error.code === 'file_unusable';
    throw isFile ? error.about(label.file) : error;
  }
}

async function addVersion(
  version: Version,
  contract: Contract,
  slot: string,
  { portal, directum, slots }: RobotContext,
): Promise<void> {
  if ('template' in version) return directum.versions.fromTemplate(contract.id, version.template.id);
  const stored = await ofFileField(async () =>
    directum.versions.fromFile(contract.id, await portal.openFile(version.fileField)),
  );
  await slots.bind(slot, { id: contract.id, url: contract.url, file: stored });
}

/** The slot's contract: our own record first, then the key in Directum; a deleted one frees the slot. */
async function findOwned(slot: string, { directum, slots }: RobotContext): Promise<Contract | null> {
  const known = await slots.find(slot);
  const read = (id: number) => knowing({ document_id: id }, () => directum.contracts.byId(id));
  const own = known === null ? null : await read(known);
  if (own) return own;
  if (known !== null) await slots.release(slot, known);
  // One whose making was cut off is there although nobody remembers its id.
  const expected = known === null && (await slots.begunByAnyRun(slot));
  return directum.contracts.byExternalId(slots.externalId(slot), expected);
}

/** The contract made by hand that is to be bound to the free slot; null when none is named. */
async function findLinked(given: Inputs, { directum }: RobotContext): Promise<Contract | null> {
  if (given.link_document_id === undefined) return null;
  const linked = await directum.contracts.byId(given.link_document_id).catch((error: unknown) => {
    const isNone = error instanceof RobotFailure && error.code === 'document_not_found';
    throw isNone ? error.about(label.link) : error;
  });
  if (!linked) {
    throw new RobotFailure('document_not_found', {
      ru: `«${label.link.ru}»: договора с ИД ${given.link_document_id} нет в Directum или он недоступен сервису. Проверьте ИД и права учётной записи.`,
      en: `«${label.link.en}»: Directum has no contract with id ${given.link_document_id}, or the account cannot read it. Check the id and the account's rights.`,
    });
  }
  return linked;
}

/** `update` writes only while the contract is a draft that nobody, the counterparty included, approves or has signed. */
function isOpenDraft(contract: Contract): boolean {
  const closed = ['OnApproval', 'PendingSign', 'Signed'];
  // A signature under a locked card leaves the state behind (directum.md E.1).
  if (contract.lastVersionApproved) return false;
  const states = [contract.internalApprovalState, contract.externalApprovalState];
  return contract.lifeCycleState === 'Draft' && !states.some((state) => closed.includes(state ?? ''));
}

/** Resolves every input; the counterparty comes last, so that a wrong input makes nothing in Directum. */
async function buildDraft(
  given: Inputs,
  context: RobotContext,
  known: Contract['counterparty'],
): Promise<{ draft: ContractDraft; counterparty: { id: number; url: string } }> {
  const { portal, directum, settings } = context;
  const { catalogue } = directum;
  const people = [given.responsible, given.our_signatory].filter((id) => id !== undefined);
  const snapshot = await portal.read({ users: people });
  if (!snapshot.party && known === null) throw counterpartyMissing();

  const kindRef = given.document_kind ?? settings.contractKind;
  if (!kindRef) throw inputMissing(label.kind);
  const kind = await catalogue.documentKind(kindRef, label.kind);
  const category =
    given.category === undefined ? undefined : await catalogue.category(given.category, label.category);
  const responsible =
    given.responsible === undefined
      ? await responsibleEmployee(snapshot, directum, settings, label.responsible)
      : await namedEmployee(given.responsible, snapshot, directum, label.responsible);
  const signatory =
    given.our_signatory === undefined
      ? undefined
      : await namedEmployee(given.our_signatory, snapshot, directum, label.signatory);
  const department =
    given.department === undefined
      ? undefined
      : await catalogue.department(given.department, label.department);
  const businessUnit = await ownCompany(given, snapshot, context);
  const vatRate =
    given.vat_rate === undefined ? undefined : await catalogue.vatRate(given.vat_rate, label.vatRate);

  const amount = given.amount?.amount ?? itemAmount(snapshot);
  const currencyCode = given.amount?.currency ?? snapshot.currency;
  const currency =
    amount > 0 && currencyCode ? await catalogue.currency(currencyCode, label.amount) : undefined;
  const extra =
    given.extra_fields === undefined
      ? undefined
      : await directum.contracts.parseExtra(given.extra_fields, label.extra, (text) =>
          readMoment(text, settings.timeZone),
        );
  const counterparty = snapshot.party
    ? await directum.counterparties.sync(snapshot.party, 'none')
    : (known as NonNullable<typeof known>);

  const draft = {
    subject: given.subject,
    documentKindId: kind.id,
    counterpartyId: counterparty.id,
    categoryId: category?.id,
    businessUnitId: businessUnit?.id ?? responsible.businessUnitId ?? undefined,
    departmentId: department?.id ?? responsible.departmentId ?? undefined,
    responsibleId: responsible.id,
    ourSignatoryId: signatory?.id,
    amount: amount > 0 ? amount : undefined,
    currencyId: currency?.id,
    vatRateId: vatRate?.id,
    validFrom: given.valid_from,
    validTill: given.valid_till,
    note: `${snapshot.title}\n${snapshot.url}`,
    extra,
  };
  return { draft, counterparty };
}

/** @throws RobotFailure input_invalid when it cannot be written as it is */
function itemAmount({ amount }: ItemSnapshot): number {
  try {
    return amount === null ? 0 : parseItemAmount(amount);
  } catch (error) {
    if (!(error instanceof WireValueError)) throw error;
    throw new RobotFailure('input_invalid', {
      ru: `«${label.amount.ru}»: в сделке стоит «${amount}»: ${error.text.ru}. Исправьте сумму сделки или укажите её в роботе.`,
      en: `«${label.amount.en}»: the deal holds «${amount}»: ${error.text.en}. Mend the amount of the deal or give one in the robot.`,
    });
  }
}

function readMoment(text: string, timeZone: string): string | null {
  try {
    return parseDayOrMoment(text, timeZone);
  } catch (error) {
    if (!(error instanceof WireValueError)) throw error;
    return null;
  }
}

/**
 * The input, else the own company chosen on the deal by its TIN or, when it has none, by its name, else the setting;
 * null leaves the responsible's.
 */
async function ownCompany(
  given: Inputs,
  snapshot: ItemSnapshot,
  { directum, settings }: RobotContext,
): Promise<Reference | null> {
  const { catalogue } = directum;
  if (given.business_unit !== undefined)
    return catalogue.businessUnit(given.business_unit, label.businessUnit);
  const own = snapshot.ownCompany;
  const foreign = own?.foreignId ? await catalogue.businessUnitByTin(own.foreignId, null) : null;
  if (foreign) return foreign;
  if (own?.inn) {
    const found = await catalogue.businessUnitByTin(own.inn, own.kpp);
    if (found) return found;
    const kpp =
      own.kpp === null ? { ru: '', en: '' } : { ru: ` и КПП ${own.kpp}`, en: ` and TRRC ${own.kpp}` };
    throw new RobotFailure('reference_not_found', {
      ru: `«${label.businessUnit.ru}»: в Directum нет действующей организации с ИНН ${own.inn}${kpp.ru} («${own.name ?? '—'}» из сделки). Заведите её в Directum или укажите другую в роботе.`,
      en: `«${label.businessUnit.en}»: Directum has no active own company with TIN ${own.inn}${kpp.en} («${own.name ?? '—'}» of the deal). Make it in Directum or give another in the robot.`,
    });
  }
  const namesake = own?.name ? await orNone(catalogue.businessUnit(own.name, label.businessUnit)) : null;
  if (namesake) return namesake;
  return settings.businessUnit === null
    ? null
    : catalogue.businessUnit(settings.businessUnit, label.businessUnit);
}

async function orNone(search: Promise<Reference>): Promise<Reference | null> {
  try {
    return await search;
  } catch (error) {
    if (error instanceof RobotFailure && error.code === 'reference_not_found') return null;
    throw error;
  }
}
