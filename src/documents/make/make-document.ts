import { knowing, RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard, Register } from '../../robot/ports/directum.ts';
import { Problems } from '../../robot/problems.ts';
import type { Checking, RobotContext } from '../../robot/robot.ts';
import type { DocumentType } from '../types/document-types.ts';
import { type ResolvedDraft, resolveDraft } from './document-draft.ts';
import type { DocumentInputs, Making } from './document-inputs.ts';
import { NOTHING, toCounterpartyOutputs, toOutputs } from './document-outputs.ts';
import { addVersion, checkVersion, type Version } from './document-version.ts';
import { findLinked, findOwned } from './find-document.ts';
import { findLeading } from './leading-document.ts';
import { demandAgreement, demandFittingInputs } from './type-inputs.ts';

/**
 * Finds the document of an item's slot, or makes it (interface.md §3): find it by its key, resolve the inputs, make or
 * update its card, give it a first version, bind it to the slot. Everything is resolved before anything is written; a check
 * ends there.
 */
export async function makeDocument(making: Making, given: DocumentInputs, context: RobotContext) {
  if (context.checking !== null) return checkDocument(making, given, context, context.checking);
  const problems = new Problems();
  await demandAgreement(making, given, problems);
  problems.demandNone();
  return context.slots.alone(given.slot, async () => {
    const plan = await planDocument(making, given, context, problems);
    problems.demandNone();
    return carryOut(making, given, context, plan);
  });
}

/** Everything that is to be known before a document is made. */
interface Plan {
  existing: DocumentCard | null;
  linked: DocumentCard | null;
  /** An earlier attempt of this run made it. */
  begun: boolean;
  /** Null where nothing is written to the card. */
  draft: ResolvedDraft | null;
  version: Version | null;
  register: Register | null;
}

/** @throws the first problem, where what comes after it cannot be looked at */
async function planDocument(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  problems: Problems,
): Promise<Plan> {
  const { type } = making;
  const has = await demandFittingInputs(making, given, context, problems);
  const owned = await findOwned(making, given.slot, context);
  const begun =
    owned !== null &&
    given.link_document_id === undefined &&
    (await context.slots.begunByThisRun(given.slot));
  const linked = owned === null ? await findLinked(making, given, context) : null;
  const existing = owned ?? linked;
  const known = existing === null ? {} : toOutputs(existing, begun);
  const version = await problems.of(() =>
    knowing(owned ? known : {}, () => checkVersion(making, given, context, existing)),
  );
  const found = { existing, linked, begun };
  if (existing !== null && (given.if_exists === 'keep' || begun || !isOpen(type, existing))) {
    const register = await registerOfExisting(making, given, existing, context, problems);
    problems.demandNone();
    return { ...found, draft: null, version: version(), register };
  }
  const draft = await resolveDraft(making, given, context, { existing, known, has }, problems);
  return { ...found, draft, version: version(), register: draft.register };
}

async function carryOut(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { existing, linked, begun, draft, version, register }: Plan,
) {
  const { type } = making;
  const { directum, slots, log } = context;
  if (linked) await directum.documents.adopt(type, linked.id, slots.externalId(given.slot));
  const written = await write(making, given.slot, context, existing, draft);
  const created = existing === null || begun;
  await slots.bind(given.slot, written.card, {
    type: type.code,
    made: created,
    kindId: written.kindId ?? null,
  });
  const card = created ? await belong(making, given, context, written.card) : written.card;

  log.info(`${type.code}.ready`, { documentId: card.id, created });
  const outputs = toOutputs(card, created, written.changedFields);
  const { number, date } = given;
  if (register !== null && card.registrationNumber === null && number !== undefined && date !== undefined) {
    const as = { register, number, date };
    await knowing(outputs, () => directum.documents.register(type, card.id, as));
    outputs.registration_number = number;
  }
  if (version !== null)
    await knowing(outputs, () =>
      addVersion(making, version, { card, slot: given.slot, isNew: existing === null }, context),
    );
  return outputs;
}

interface Written {
  card: DocumentCard;
  changedFields: string[];
  kindId?: number;
}

async function write(
  making: Making,
  slot: string,
  context: RobotContext,
  existing: DocumentCard | null,
  draft: ResolvedDraft | null,
): Promise<Written> {
  if (draft !== null && existing === null) return create(making, draft, slot, context);
  if (existing === null) throw new Error('there is neither a card nor what to make it of');
  if (draft === null) return { card: existing, changedFields: [] };
  return knowing(toOutputs(existing, false), () => update(making, existing, draft, context));
}

/** What would stand in the way, and what is known without writing anything (interface.md §3, Checking). */
async function checkDocument(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { problems, known }: Checking,
) {
  await demandAgreement(making, given, problems);
  try {
    const { existing } = await planDocument(making, given, context, problems);
    if (existing !== null) Object.assign(known, toOutputs(existing, false));
  } catch (error) {
    if (!(error instanceof RobotFailure) || error.heals) throw error;
    problems.add(error);
    Object.assign(known, error.known);
  }
  return { ...NOTHING, ...known };
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
