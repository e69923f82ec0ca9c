import { knowing, RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard, FieldLabel, Register } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { invalid } from '../../robot/run-robot.ts';
import { contract, type DocumentType, likeliestFirst } from '../types/document-types.ts';
import { type ResolvedDraft, resolveDraft } from './document-draft.ts';
import type { DocumentInputs, Making } from './document-inputs.ts';
import { addVersion, checkVersion } from './document-version.ts';
import { findLeading } from './leading-document.ts';
import { Problems } from './problems.ts';
import { demandAgreement, demandFittingInputs, type Has } from './type-inputs.ts';

/**
 * Finds the document of an item's slot, or makes it (interface.md §3): find it by its key, resolve the inputs, make or
 * update its card, give it a first version, bind it to the slot. Everything is resolved before anything is written.
 */
export async function makeDocument(making: Making, given: DocumentInputs, context: RobotContext) {
  const problems = new Problems();
  await demandAgreement(making, given, problems);
  const has = await demandFittingInputs(making, given, context, problems);
  problems.demandNone();
  return context.slots.alone(given.slot, () => findOrMake(making, given, context, { has, problems }));
}

async function findOrMake(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { has, problems }: { has: Has; problems: Problems },
) {
  const { type } = making;
  const { directum, slots, log } = context;
  const owned = await findOwned(making, given.slot, context);
  const begun =
    owned !== null && given.link_document_id === undefined && (await slots.begunByThisRun(given.slot));
  const linked = owned === null ? await findLinked(making, given, context) : null;
  const existing = owned ?? linked;
  const known = existing === null ? {} : toOutputs(existing, begun);
  const version = await problems.of(() =>
    knowing(owned ? known : {}, () => checkVersion(making, given, context, existing)),
  );
  let write: () => Promise<{ card: DocumentCard; changedFields: string[]; kindId?: number }>;
  let register: Register | null;
  if (existing !== null && (given.if_exists === 'keep' || begun || !isOpen(type, existing))) {
    write = async () => ({ card: existing, changedFields: [] });
    register = await registerOfExisting(making, given, existing, context, problems);
  } else {
    const draft = await resolveDraft(making, given, context, { existing, known, has }, problems);
    ({ register } = draft);
    write = () =>
      existing === null
        ? create(making, draft, given.slot, context)
        : knowing(known, () => update(making, existing, draft, context));
  }
  problems.demandNone();

  if (linked) await directum.documents.adopt(type, linked.id, slots.externalId(given.slot));
  const { card: written, changedFields, kindId = null } = await write();
  const created = existing === null || begun;
  await slots.bind(given.slot, written, { type: type.code, made: created, kindId });
  const card = created ? await belong(making, given, context, written) : written;

  log.info(`${type.code}.ready`, { documentId: card.id, created });
  const outputs = toOutputs(card, created, changedFields);
  const { number, date } = given;
  if (register !== null && card.registrationNumber === null && number !== undefined && date !== undefined) {
    const as = { register, number, date };
    await knowing(outputs, () => directum.documents.register(type, card.id, as));
    outputs.registration_number = number;
  }
  const first = version();
  if (first !== null)
    await knowing(outputs, () =>
      addVersion(making, first, { card, slot: given.slot, isNew: existing === null }, context),
    );
  return outputs;
}

/** A card of this run belongs to its leading document, also when an earlier attempt was cut off before it did. */
async function belong(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  card: DocumentCard,
): Promise<DocumentCard> {
  const { type } = making;
  if (type.leading === null) return card;
  const wanted = card.leadingId ?? (await findLeading(making, given, context))?.id;
  if (wanted === undefined) return card;
  return knowing(toOutputs(card, true), () => context.directum.documents.belong(type, card.id, wanted));
}

/** Where a document of an earlier attempt or run is registered that has no number yet; null for one that is to have none. */
async function registerOfExisting(
  { type, label }: Making,
  { number, date }: DocumentInputs,
  card: DocumentCard,
  { directum }: RobotContext,
  problems: Problems,
): Promise<Register | null> {
  if (type.number !== 'registration' || number === undefined || date === undefined) return null;
  if (card.registrationNumber !== null) return null;
  const found = await problems.of(async () => {
    const names = ['DocumentKind', 'BusinessUnit', 'Department'];
    const held = await directum.documents.properties(type, card.id, names);
    const idOf = (name: string) => (held?.[name] as { Id?: number } | null | undefined)?.Id;
    const kindId = idOf('DocumentKind');
    if (kindId === undefined) return null;
    const of = { kindId, businessUnitId: idOf('BusinessUnit'), departmentId: idOf('Department') };
    return directum.documents.registerOf(of, label.number);
  });
  problems.demandNone();
  return found();
}

async function create({ type }: Making, draft: ResolvedDraft, slot: string, context: RobotContext) {
  const { directum, slots } = context;
  const counterparty = draft.party ? await directum.counterparties.sync(draft.party, 'none') : null;
  await slots.begin(slot);
  const card = await knowing(toCounterpartyOutputs(counterparty), () =>
    directum.documents.create(type, slots.externalId(slot), {
      ...draft.values,
      counterpartyId: draft.counterpartyId ?? counterparty?.id,
    }),
  );
  return { card, changedFields: [], kindId: draft.values.documentKindId };
}

async function update(
  { type }: Making,
  card: DocumentCard,
  draft: ResolvedDraft,
  { directum, slots }: RobotContext,
) {
  const counterparty = draft.party
    ? await directum.counterparties.sync(draft.party, 'none')
    : card.counterparty;
  const values = { ...draft.values, counterpartyId: draft.counterpartyId ?? counterparty?.id };
  return directum.documents.update(type, card.id, values, (names) => slots.changing(card.id, names));
}

function toOutputs(card: DocumentCard, created: boolean, changedFields: string[] = []) {
  return {
    document_id: card.id,
    document_url: card.url,
    document_name: card.name,
    registration_number: card.registrationNumber ?? '',
    ...toCounterpartyOutputs(card.counterparty),
    created,
    changed_fields: changedFields.join(','),
    leading_id: card.leadingId ?? undefined,
  };
}

function toCounterpartyOutputs(counterparty: DocumentCard['counterparty']) {
  return { counterparty_id: counterparty?.id, counterparty_url: counterparty?.url ?? '' };
}

/** The slot's document: our own record first, then the key in Directum; a deleted one frees the slot. */
async function findOwned(
  { type, label }: Making,
  slot: string,
  { directum, slots }: RobotContext,
): Promise<DocumentCard | null> {
  const isContract = type.code === contract.code;
  const known = await slots.find(slot);
  const read = (id: number) => knowing({ document_id: id }, () => directum.documents.byId(type, id));
  const own =
    known === null
      ? null
      : await read(known).catch((error: unknown) => {
          const isOther = error instanceof RobotFailure && error.code === 'document_not_found' && !isContract;
          throw isOther ? ofAnotherType(type, slot, known, label.slot) : error;
        });
  if (own) return own;
  if (known !== null) await slots.release(slot, known);
  // One whose making was cut off is there although nobody remembers its id.
  const expected = known === null && (await slots.begunByAnyRun(slot));
  const key = slots.externalId(slot);
  if (isContract) return directum.documents.byExternalId(type, key, expected);
  // A slot of another name than the type's own may have been another robot's too.
  const types = slot === type.slot && !expected ? [type] : likeliestFirst(slot);
  const held = await directum.documents.holderOf(types, key, expected);
  if (held !== null && held.type.code !== type.code)
    throw ofAnotherType(type, slot, held.card.id, label.slot);
  return held?.card ?? null;
}

function ofAnotherType({ texts }: DocumentType, slot: string, id: number, label: FieldLabel): RobotFailure {
  return invalid(label, slot, {
    ru: `в этом слоте документ другого типа (ИД ${id}), не «${texts.noun.ru}»; укажите другое слово`,
    en: `this slot holds a document of another type (id ${id}), not «${texts.noun.en}»; give another word`,
  });
}

/** The document made by hand that is to be bound to the free slot; null when none is named. */
async function findLinked(
  { type, label }: Making,
  { link_document_id: id }: DocumentInputs,
  { directum }: RobotContext,
): Promise<DocumentCard | null> {
  if (id === undefined) return null;
  const linked = await directum.documents.byId(type, id).catch((error: unknown) => {
    const isNone = error instanceof RobotFailure && error.code === 'document_not_found';
    throw isNone ? error.about(label.link) : error;
  });
  if (linked) return linked;
  const { noun, ofNoun } = type.texts;
  throw new RobotFailure('document_not_found', {
    ru: `«${label.link.ru}»: ${ofNoun.ru} с ИД ${id} нет в Directum или он недоступен сервису. Проверьте ИД и права учётной записи.`,
    en: `«${label.link.en}»: Directum has no ${noun.en} with id ${id}, or the account cannot read it. Check the id and the account's rights.`,
  });
}

/** `update` writes only while nobody, the counterparty included, approves the document or has signed it. */
function isOpen({ openWhile }: DocumentType, card: DocumentCard): boolean {
  const closed = ['OnApproval', 'PendingSign', 'Signed'];
  // A signature under a locked card leaves the state behind (directum.md E.1).
  if (card.lastVersionApproved) return false;
  const states = [card.internalApprovalState, card.externalApprovalState];
  if (states.some((state) => closed.includes(state ?? ''))) return false;
  if (openWhile === 'draft') return card.lifeCycleState === 'Draft';
  return !['Obsolete', 'Paid', 'Terminated', 'Closed'].includes(card.lifeCycleState ?? '');
}
