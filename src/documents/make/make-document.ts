import { knowing } from '../../robot/failure.ts';
import type { DocumentCard, Register } from '../../robot/ports/directum.ts';
import { Problems } from '../../robot/problems.ts';
import type { Checking, RobotContext } from '../../robot/robot.ts';
import type { DocumentType } from '../types/document-types.ts';
import { REGISTERED, registered, registerOfExisting } from './document-registration.ts';
import { addVersion, checkVersion, type Version } from './document-version.ts';
import { type ResolvedDraft, resolveDraft } from './draft/document-draft.ts';
import { findLinked, findOwned } from './find-document.ts';
import {
  type DocumentInputs,
  type Making,
  NOTHING,
  slotOf,
  toCounterpartyOutputs,
  toOutputs,
} from './inputs-outputs.ts';
import { findLeading, withLeading } from './leading-document.ts';
import { demandAgreement, demandFittingInputs } from './type-inputs.ts';

/**
 * Finds the document of an item's slot, or makes it (interface.md §3): find it by its key, resolve the inputs, make or
 * update its card, give it a first version, bind it to the slot. Everything is resolved before anything is written; a check
 * ends there.
 */
export async function makeDocument(making: Making, given: DocumentInputs, context: RobotContext) {
  if (context.checking !== null) return checkDocument(making, given, context, context.checking);
  const problems = new Problems({ collects: false });
  await demandAgreement(making, given, problems);
  return context.slots.alone(slotOf(making, given), async () =>
    carryOut(making, given, context, await planDocument(making, given, context, problems)),
  );
}

/** Everything that is to be known before a document is made. */
interface Plan extends Known {
  /** Null where nothing is written to the card. */
  draft: ResolvedDraft | null;
  version: Version | null;
  register: Register | null;
}

/** The document that is there already. */
interface Known {
  existing: DocumentCard | null;
  linked: DocumentCard | null;
  /** An earlier attempt of this run made it. */
  begun: boolean;
}

const NONE: Known = { existing: null, linked: null, begun: false };

/** @throws the first problem of work; of a check one without which the rest cannot be looked at */
async function planDocument(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  problems: Problems,
): Promise<Plan> {
  const { type } = making;
  const has = await demandFittingInputs(making, given, context, problems);
  const known = await problems.of(() => findKnown(making, given, context, problems));
  const { existing: card, begun: isOurs, linked: byHand } = await problems.or(known, NONE);
  const outputs = card === null ? {} : toOutputs(card, isOurs);
  if (context.checking !== null) Object.assign(context.checking.known, outputs);
  const version = await problems.of(() =>
    knowing(byHand === null ? outputs : {}, () => checkVersion(making, given, context, card)),
  );
  // Beside a wrong id, what a document would be made with matters only where that document would be changed.
  const isUpdate = await problems.or(() => given.if_exists === 'update', false);
  const found = isUpdate ? await problems.or(known, NONE) : known();
  const { existing, begun } = found;
  if (existing !== null && (given.if_exists === 'keep' || begun || !isOpen(type, existing))) {
    const register = await problems.of(() => registerOfExisting(making, given, existing, context));
    return { ...found, draft: null, version: version(), register: register() };
  }
  const beside = { existing, known: outputs, has, version };
  const draft = await resolveDraft(making, given, context, beside, problems);
  return { ...found, draft, version: version(), register: draft.register };
}

/** The slot's own document, else the one that is to be bound to it. */
async function findKnown(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  problems: Problems,
): Promise<Known> {
  // A check of a slot that cannot be used goes on as for a free one: another word is needed.
  const owned = await problems.or(() => findOwned(making, slotOf(making, given), context), null);
  if (owned !== null) {
    const isOwn = given.link_document_id === undefined;
    const begun = isOwn && (await context.slots.begunByThisRun(slotOf(making, given)));
    return { existing: owned, linked: null, begun };
  }
  const linked = await findLinked(making, given, context);
  return { existing: linked, linked, begun: false };
}

async function carryOut(making: Making, given: DocumentInputs, context: RobotContext, plan: Plan) {
  const { existing, linked, begun, version, register } = plan;
  const { type } = making;
  const slot = slotOf(making, given);
  const { directum, slots, log } = context;
  if (linked) await directum.documents.adopt(type, linked.id, slots.externalId(slot));
  const { card: written, changedFields, kindId = null } = await write(making, given, context, plan);
  const created = existing === null || begun;
  await slots.bind(slot, written, { type: type.code, made: created, kindId });
  const leadingId = await wantedLeading(making, given, context, plan);
  const isRead = existing !== null && written.leadingId === leadingId;
  const kept =
    leadingId === undefined || isRead
      ? written
      : await knowing(toOutputs(written, created, changedFields), () =>
          directum.documents.belong(type, written.id, leadingId),
        );
  const card = await registered(making, given, context, {
    card: kept,
    register,
    known: toOutputs(kept, created, changedFields),
  });

  log.info(`${type.code}.ready`, { documentId: card.id, created });
  const isNumbered = !created && card !== kept;
  const outputs = toOutputs(card, created, isNumbered ? [...changedFields, ...REGISTERED] : changedFields);
  if (version !== null)
    await knowing(outputs, () =>
      addVersion(making, version, { card, slot, isNew: existing === null }, context),
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
  given: DocumentInputs,
  context: RobotContext,
  { existing, draft }: Plan,
): Promise<Written> {
  if (draft !== null && existing === null)
    return withLeading(making, given, context, draft.values.leadingId, () =>
      create(making, draft, slotOf(making, given), context),
    );
  if (existing === null) throw new Error('there is neither a card nor what to make it of');
  if (draft === null) return { card: existing, changedFields: [] };
  return knowing(toOutputs(existing, false), () => update(making, existing, draft, context));
}

/** The document it is to belong to, where the card was not read back since that was written. */
async function wantedLeading(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { existing, begun, draft }: Plan,
): Promise<number | undefined> {
  if (draft !== null) return draft.values.leadingId;
  // An earlier attempt of this run may have been cut off before it saw to that.
  const isCutOff = begun && existing?.leadingId === null;
  return isCutOff ? (await findLeading(making, given, context))?.id : undefined;
}

/** What would stand in the way, and what is known without writing anything (interface.md §3, Checking). */
async function checkDocument(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
  { problems, known }: Checking,
) {
  await demandAgreement(making, given, problems);
  await planDocument(making, given, context, problems).catch((error: unknown) => {
    Object.assign(known, problems.take(error).known);
  });
  return { ...NOTHING, ...known, created: false };
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
