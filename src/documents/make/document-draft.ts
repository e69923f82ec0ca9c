import { type ErrorCode, knowing, RobotFailure } from '../../robot/failure.ts';
import { counterpartyMissing, namedEmployee, responsibleEmployee } from '../../robot/people.ts';
import type {
  DocumentCard,
  DocumentDraft,
  FieldLabel,
  Reference,
  Register,
} from '../../robot/ports/directum.ts';
import type { ItemSnapshot } from '../../robot/ports/portal.ts';
import type { Problems } from '../../robot/problems.ts';
import type { Checking, RobotContext } from '../../robot/robot.ts';
import { inputMissing } from '../../robot/run/inputs.ts';
import { parseDayOrMoment, parseItemAmount, WireValueError } from '../../robot/wire-values.ts';
import { contract } from '../types/document-types.ts';
import { type DocumentInputs, type Making, toCounterpartyOutputs } from './inputs-outputs.ts';
import { findLeading } from './leading-document.ts';
import { tellValues } from './told-values.ts';
import type { Has } from './type-inputs.ts';

/** Every value of a document but its counterparty, and whose counterparty that is. */
export interface ResolvedDraft {
  values: Omit<DocumentDraft, 'counterpartyId'>;
  /** Of the leading document; null: of the party, or the card's own where that is null too. */
  counterpartyId: number | null;
  party: ItemSnapshot['party'];
  /** Where it is registered under the given number. */
  register: Register | null;
}

/**
 * Resolves every input. Nothing is written: the counterparty is made when all else is well. `known` are outputs that each
 * problem is told with. @throws the first problem that was found
 */
export async function resolveDraft(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { existing, known, has }: { existing: DocumentCard | null; known: Record<string, unknown>; has: Has },
  problems: Problems,
): Promise<ResolvedDraft> {
  const { type, label } = making;
  const { portal, directum, settings } = context;
  const { catalogue } = directum;
  const check = <T>(work: () => Promise<T> | T) => problems.of(() => knowing(known, async () => work()));
  const optional = <T>(value: string | undefined, find: (value: string) => Promise<T>) =>
    check(() => (value === undefined ? undefined : find(value)));

  const people = [given.responsible, given.our_signatory].filter((id) => id !== undefined);
  const snapshot = (await check(() => portal.read({ users: people })))();
  const leading = await check(() => findLeading(making, given, context));
  const hasParty = has('Counterparty');
  await check(() => {
    if (hasParty && !snapshot.party && !existing?.counterparty && !leading()?.counterpartyId)
      throw counterpartyMissing();
  });
  const kindRef = given.document_kind ?? settings.documentKinds[type.code];
  const kind = await check(() => {
    if (kindRef) return catalogue.documentKind(type, kindRef, label.kind);
    if (type.code === contract.code) throw inputMissing(label.kind);
    return catalogue.usualKind(type, label.kind);
  });
  const category = await optional(given.category, (name) => catalogue.category(name, label.category));
  const responsible = await check(() => {
    if (given.responsible !== undefined)
      return namedEmployee(given.responsible, snapshot, directum, label.responsible);
    const found = responsibleEmployee(snapshot, directum, settings, label.responsible);
    // A card that holds no such person can do without: Directum takes own company and department of its account.
    return has('ResponsibleEmployee') ? found : orNone(found, 'employee_not_found');
  });
  const signatory = await check(() =>
    given.our_signatory === undefined
      ? undefined
      : namedEmployee(given.our_signatory, snapshot, directum, label.signatory),
  );
  const department = await optional(given.department, (name) => catalogue.department(name, label.department));
  const businessUnitId = await check(async () =>
    given.business_unit === undefined && leading()?.businessUnitId
      ? leading()?.businessUnitId
      : ((await ownCompany(given, snapshot, context, label.businessUnit))?.id ?? null),
  );
  const vatRate = await optional(given.vat_rate, (name) => catalogue.vatRate(name, label.vatRate));
  const amount = await check(() => {
    if (!has('TotalAmount')) return 0;
    const sum = given.amount?.amount ?? itemAmount(snapshot, label.amount);
    if (type.needsAmount && sum <= 0) throw inputMissing(label.amount);
    return sum;
  });
  const currencyCode = given.amount?.currency ?? snapshot.currency;
  const currency = await check(() =>
    amount() > 0 && currencyCode ? catalogue.currency(currencyCode, label.amount) : undefined,
  );
  const extra = await optional(given.extra_fields, (lines) =>
    directum.documents.parseExtra(type, lines, label.extra, (text) => readMoment(text, settings.timeZone)),
  );
  const ids = () => ({
    kindId: kind().id,
    businessUnitId: businessUnitId() ?? responsible()?.businessUnitId ?? undefined,
    departmentId: department()?.id ?? responsible()?.departmentId ?? undefined,
  });
  const register = await check(() =>
    type.number === 'registration' && given.number !== undefined && given.date !== undefined
      ? directum.documents.registerOf(ids(), label.number)
      : null,
  );
  const counterpartyId = await check(() => (hasParty ? (leading()?.counterpartyId ?? null) : null));
  if (context.checking !== null && hasParty) {
    await problems.of(async () => {
      const id = counterpartyId();
      const found = id === null ? await checkParty(snapshot, context, context.checking) : { id, url: '' };
      Object.assign(known, toCounterpartyOutputs(found));
      Object.assign(context.checking?.known ?? {}, toCounterpartyOutputs(found));
    });
  }
  problems.demandNone();

  if (context.checking !== null)
    context.checking.values.push(
      ...(await tellValues(making, given, context, {
        ...{ snapshot, leading: leading(), kind: kind(), category: category(), vatRate: vatRate() },
        ...{ amount: amount(), currency: currency(), responsible: responsible(), signatory: signatory() },
        ...{ ids: ids(), businessUnitOf: businessUnitId() === null ? 'responsible' : 'deal' },
      })),
    );
  const values = {
    name: given.subject ?? `${type.texts.title[settings.language]} — ${snapshot.title}`,
    subject: given.subject,
    documentKindId: kind().id,
    leadingId: leading()?.id,
    categoryId: category()?.id,
    businessUnitId: has('BusinessUnit') ? ids().businessUnitId : undefined,
    departmentId: has('Department') ? ids().departmentId : undefined,
    responsibleId: has('ResponsibleEmployee') ? responsible()?.id : undefined,
    ourSignatoryId: signatory()?.id,
    amount: amount() > 0 ? amount() : undefined,
    currencyId: has('Currency') ? currency()?.id : undefined,
    vatRateId: vatRate()?.id,
    number: given.number,
    date: given.date,
    paymentDue: given.payment_due,
    validFrom: given.valid_from,
    validTill: given.valid_till,
    note: `${snapshot.title}\n${snapshot.url}`,
    extra: extra(),
  };
  const party = hasParty && counterpartyId() === null ? snapshot.party : null;
  return { values, counterpartyId: counterpartyId(), party, register: register() };
}

/** What is wrong with the requisites is a problem each; null where the counterparty would be made. */
async function checkParty({ party }: ItemSnapshot, { directum }: RobotContext, checking: Checking | null) {
  if (party === null) return null;
  const { wrong, found } = await directum.counterparties.check(party);
  for (const problem of wrong) checking?.problems.add(problem);
  return found;
}

/** @throws RobotFailure input_invalid when it cannot be written as it is */
function itemAmount({ amount }: ItemSnapshot, label: FieldLabel): number {
  try {
    return amount === null ? 0 : parseItemAmount(amount);
  } catch (error) {
    if (!(error instanceof WireValueError)) throw error;
    throw new RobotFailure('input_invalid', {
      ru: `«${label.ru}»: в сделке стоит «${amount}»: ${error.text.ru}. Исправьте сумму сделки или укажите её в роботе.`,
      en: `«${label.en}»: the deal holds «${amount}»: ${error.text.en}. Mend the amount of the deal or give one in the robot.`,
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
  given: DocumentInputs,
  snapshot: ItemSnapshot,
  { directum, settings }: RobotContext,
  label: FieldLabel,
): Promise<Reference | null> {
  const { catalogue } = directum;
  if (given.business_unit !== undefined) return catalogue.businessUnit(given.business_unit, label);
  const own = snapshot.ownCompany;
  const foreign = own?.foreignId ? await catalogue.businessUnitByTin(own.foreignId, null) : null;
  if (foreign) return foreign;
  if (own?.inn) {
    const found = await catalogue.businessUnitByTin(own.inn, own.kpp);
    if (found) return found;
    const kpp =
      own.kpp === null ? { ru: '', en: '' } : { ru: ` и КПП ${own.kpp}`, en: ` and TRRC ${own.kpp}` };
    throw new RobotFailure('reference_not_found', {
      ru: `«${label.ru}»: в Directum нет действующей организации с ИНН ${own.inn}${kpp.ru} («${own.name ?? '—'}» из сделки). Заведите её в Directum или укажите другую в роботе.`,
      en: `«${label.en}»: Directum has no active own company with TIN ${own.inn}${kpp.en} («${own.name ?? '—'}» of the deal). Make it in Directum or give another in the robot.`,
    });
  }
  const namesake = own?.name
    ? await orNone(catalogue.businessUnit(own.name, label), 'reference_not_found')
    : null;
  if (namesake) return namesake;
  return settings.businessUnit === null ? null : catalogue.businessUnit(settings.businessUnit, label);
}

async function orNone<T>(search: Promise<T>, none: ErrorCode): Promise<T | null> {
  try {
    return await search;
  } catch (error) {
    if (error instanceof RobotFailure && error.code === none) return null;
    throw error;
  }
}
