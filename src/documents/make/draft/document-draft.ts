import { knowing, RobotFailure } from '../../../robot/failure.ts';
import { counterpartyMissing, namedEmployee } from '../../../robot/people.ts';
import type { DocumentCard, DocumentDraft, FieldLabel, Register } from '../../../robot/ports/directum.ts';
import type { ItemSnapshot } from '../../../robot/ports/portal.ts';
import type { Problems } from '../../../robot/problems.ts';
import type { RobotContext, Sourced } from '../../../robot/robot.ts';
import { inputMissing } from '../../../robot/run/inputs.ts';
import { parseDayOrMoment, parseItemAmount, WireValueError } from '../../../robot/wire-values.ts';
import { contract } from '../../types/document-types.ts';
import type { Version } from '../document-version.ts';
import type { DocumentInputs, Making } from '../inputs-outputs.ts';
import { findLeading } from '../leading-document.ts';
import type { Has } from '../type-inputs.ts';
import { findOwnCompany, findResponsible } from './own-side.ts';
import { checkParty, tellValues } from './told-values.ts';

/** Every value of a document but its counterparty, and whose counterparty that is. */
export interface ResolvedDraft {
  values: Omit<DocumentDraft, 'counterpartyId'>;
  /** Of the leading document; null: of the party, or the card's own where that is null too. */
  counterpartyId: number | null;
  party: ItemSnapshot['party'];
  /** Where it is registered under the given number. */
  register: Register | null;
}

/** What is known already. */
interface Beside {
  existing: DocumentCard | null;
  known: Record<string, unknown>;
  has: Has;
  version(): Version | null;
}

/** Resolves one value; an input that is empty is undefined. */
type Check = <T>(work: () => Promise<T> | T) => Promise<() => T>;

/**
 * Resolves every input. Nothing is written: the counterparty is made when all else is well. `known` are outputs that each
 * problem is told with. @throws the first problem of work; of a check one that was found
 */
export async function resolveDraft(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { existing, known, has, version }: Beside,
  problems: Problems,
): Promise<ResolvedDraft> {
  const { type, label } = making;
  const { portal, directum, settings, checking } = context;
  const { catalogue } = directum;
  const check: Check = (work) => problems.of(() => knowing(known, async () => work()));

  const people: number[] = [];
  for (const input of ['responsible', 'our_signatory'] as const) {
    const id = await problems.or(() => given[input], undefined);
    if (id !== undefined) people.push(id);
  }
  const snapshot = await check(() => portal.read({ users: people }));
  const leading = await check(() => findLeading(making, given, context));
  const hasParty = has('Counterparty');
  const counterparty = await check(() => {
    const found = hasParty ? (leading()?.counterparty ?? null) : null;
    if (hasParty && found === null && !snapshot().party && !existing?.counterparty)
      throw counterpartyMissing();
    return found;
  });
  const references = await resolveReferences(making, given, context, check);
  const responsible = await check(() => findResponsible(making, given, snapshot(), context, has));
  const signatory = await check(() =>
    given.our_signatory === undefined
      ? undefined
      : namedEmployee(given.our_signatory, snapshot(), directum, label.signatory),
  );
  const ownCompany = await check(() => findOwnCompany(making, given, { snapshot, leading }, context));
  const sum = await resolveSum(making, given, { snapshot, has, catalogue }, check);
  const extra = await check(() =>
    given.extra_fields === undefined
      ? undefined
      : directum.documents.parseExtra(
          type,
          given.extra_fields,
          label.extra,
          (text) => readMoment(text, settings.timeZone),
          (problem) => void problems.take(problem),
        ),
  );
  const ids = () => ({
    kindId: references.kind().value.id,
    businessUnitId: ownCompany()?.value.id ?? responsible()?.value.businessUnitId ?? undefined,
    departmentId: references.department()?.id ?? responsible()?.value.departmentId ?? undefined,
  });
  const register = await check(() =>
    type.number === 'registration' && given.number !== undefined && given.date !== undefined
      ? directum.documents.registerOf(ids(), label.number)
      : null,
  );
  const party = await check(() => (hasParty && counterparty() === null ? snapshot().party : null));
  if (checking !== null) {
    const card = await check(async () => counterparty() ?? (await checkParty(party(), context, checking)));
    const resolved = {
      ...{ ...references, ...sum, snapshot, leading, responsible, signatory, ownCompany },
      ...{ party, counterparty: card, isOfLeading: () => counterparty() !== null, has, version },
    };
    await tellValues(making, given, context, resolved, checking);
  }

  const { amount, currency } = sum;
  const { businessUnitId, departmentId } = ids();
  const values = {
    name: given.subject ?? `${type.texts.title[settings.language]} — ${snapshot().title}`,
    subject: given.subject,
    documentKindId: references.kind().value.id,
    leadingId: leading()?.id,
    categoryId: references.category()?.id,
    businessUnitId: has('BusinessUnit') ? businessUnitId : undefined,
    departmentId: has('Department') ? departmentId : undefined,
    responsibleId: has('ResponsibleEmployee') ? responsible()?.value.id : undefined,
    ourSignatoryId: signatory()?.id,
    amount: amount().value > 0 ? amount().value : undefined,
    currencyId: has('Currency') ? currency()?.value.id : undefined,
    vatRateId: references.vatRate()?.id,
    number: given.number,
    date: given.date,
    paymentDue: given.payment_due,
    validFrom: given.valid_from,
    validTill: given.valid_till,
    note: `${snapshot().title}\n${snapshot().url}`,
    extra: extra(),
  };
  return { values, counterpartyId: counterparty()?.id ?? null, party: party(), register: register() };
}

/** Records of Directum that inputs name. */
async function resolveReferences(
  { type, label }: Making,
  given: DocumentInputs,
  { directum: { catalogue }, settings }: RobotContext,
  check: Check,
) {
  return {
    kind: await check(async (): Promise<Sourced<{ id: number; name: string }>> => {
      const find = (name: string) => catalogue.documentKind(type, name, label.kind);
      if (given.document_kind !== undefined) return { value: await find(given.document_kind), from: 'input' };
      const usual = settings.documentKinds[type.code];
      if (usual) return { value: await find(usual), from: 'setting' };
      if (type.code === contract.code) throw inputMissing(label.kind);
      return { value: await catalogue.usualKind(type, label.kind), from: 'directum' };
    }),
    category: await check(() =>
      given.category === undefined ? undefined : catalogue.category(given.category, label.category),
    ),
    department: await check(() =>
      given.department === undefined ? undefined : catalogue.department(given.department, label.department),
    ),
    vatRate: await check(() =>
      given.vat_rate === undefined ? undefined : catalogue.vatRate(given.vat_rate, label.vatRate),
    ),
  };
}

/** Amount and currency; a card that holds no amount has neither. */
async function resolveSum(
  { type, label }: Making,
  given: DocumentInputs,
  {
    snapshot,
    has,
    catalogue,
  }: { snapshot(): ItemSnapshot; has: Has; catalogue: RobotContext['directum']['catalogue'] },
  check: Check,
) {
  const amount = await check((): Sourced<number> => {
    if (!has('TotalAmount')) return { value: 0, from: 'deal' };
    const sum: Sourced<number> = given.amount
      ? { value: given.amount.amount, from: 'input' }
      : { value: itemAmount(snapshot(), label.amount), from: 'deal' };
    if (type.needsAmount && sum.value <= 0) throw inputMissing(label.amount);
    return sum;
  });
  const currency = await check(async (): Promise<Sourced<{ id: number; name: string }> | undefined> => {
    if (amount().value <= 0) return undefined;
    const own = given.amount?.currency ?? null;
    const code = own ?? snapshot().currency;
    if (!code) return undefined;
    return { value: await catalogue.currency(code, label.amount), from: own === null ? 'deal' : 'input' };
  });
  return { amount, currency };
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
