import { knowing, RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { invalid } from '../../robot/run-robot.ts';
import { type ResolvedDraft, resolveDraft } from './document-draft.ts';
import type { DocumentInputs, Making } from './document-inputs.ts';
import { addVersion, checkVersion } from './document-version.ts';
import { Problems } from './problems.ts';

/**
 * Finds the document of an item's slot, or makes it (interface.md §3): find it by its key, resolve the inputs, make or
 * update its card, give it a first version, bind it to the slot. Everything is resolved before anything is written.
 */
export async function makeDocument(making: Making, given: DocumentInputs, context: RobotContext) {
  const problems = new Problems();
  await problems.of(() => demandAgreement(making, given));
  problems.demandNone();
  return context.slots.alone(given.slot, () => findOrMake(making, given, context, problems));
}

async function findOrMake(making: Making, given: DocumentInputs, context: RobotContext, problems: Problems) {
  const { type } = making;
  const { directum, slots, log } = context;
  const owned = await findOwned(making, given.slot, context);
  const begun =
    owned !== null && given.link_document_id === undefined && (await slots.begunByThisRun(given.slot));
  const linked = owned === null ? await findLinked(making, given, context) : null;
  const existing = owned ?? linked;
  const version = await problems.of(() =>
    knowing(owned ? toOutputs(owned, begun) : {}, () => checkVersion(making, given, context, existing)),
  );
  let write: () => Promise<{ card: DocumentCard; changedFields: string[]; kindId?: number }>;
  if (existing !== null && (given.if_exists === 'keep' || begun || !isOpenDraft(existing))) {
    write = async () => ({ card: existing, changedFields: [] });
  } else {
    const known = existing === null ? {} : toOutputs(existing, begun);
    const counterparty = existing?.counterparty ?? null;
    const draft = await resolveDraft(making, given, context, { counterparty, known }, problems);
    write = () =>
      existing === null
        ? create(making, draft, given.slot, context)
        : knowing(known, () => update(making, existing, draft, context));
  }
  problems.demandNone();

  if (linked) await directum.documents.adopt(type, linked.id, slots.externalId(given.slot));
  const { card, changedFields, kindId = null } = await write();
  const created = existing === null || begun;
  await slots.bind(given.slot, card, { type: type.code, made: created, kindId });

  log.info(`${type.code}.ready`, { documentId: card.id, created });
  const outputs = toOutputs(card, created, changedFields);
  const first = version();
  if (first !== null)
    await knowing(outputs, () =>
      addVersion(making, first, { card, slot: given.slot, isNew: existing === null }, context),
    );
  return outputs;
}

/** Inputs that contradict each other. @throws RobotFailure input_invalid */
function demandAgreement({ label }: Making, given: DocumentInputs): void {
  const sources = [
    [label.template, given.template],
    [label.file, given.file_field],
    [label.crmTemplate, given.crm_template],
  ] as const;
  const filled = sources.flatMap(([title, value]) => (value === undefined ? [] : [{ title, value }]));
  const [first, second] = filled;
  if (first !== undefined && second !== undefined) {
    throw invalid(second.title, second.value, {
      ru: `заполнено и поле «${first.title.ru}»; оставьте что-то одно`,
      en: `«${first.title.en}» is filled too; leave one of them`,
    });
  }
  if (given.valid_from && given.valid_till && given.valid_from > given.valid_till) {
    throw invalid(label.validTill, given.valid_till, {
      ru: `раньше, чем «${label.validFrom.ru}»; исправьте даты`,
      en: `it is before «${label.validFrom.en}»; mend the dates`,
    });
  }
}

async function create({ type }: Making, draft: ResolvedDraft, slot: string, context: RobotContext) {
  const { directum, slots } = context;
  const counterparty = draft.party ? await directum.counterparties.sync(draft.party, 'none') : null;
  await slots.begin(slot);
  const card = await knowing(toCounterpartyOutputs(counterparty), () =>
    directum.documents.create(type, slots.externalId(slot), {
      ...draft.values,
      counterpartyId: counterparty?.id,
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
  const values = { ...draft.values, counterpartyId: counterparty?.id };
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
  };
}

function toCounterpartyOutputs(counterparty: DocumentCard['counterparty']) {
  return { counterparty_id: counterparty?.id, counterparty_url: counterparty?.url ?? '' };
}

/** The slot's document: our own record first, then the key in Directum; a deleted one frees the slot. */
async function findOwned(
  { type }: Making,
  slot: string,
  { directum, slots }: RobotContext,
): Promise<DocumentCard | null> {
  const known = await slots.find(slot);
  const read = (id: number) => knowing({ document_id: id }, () => directum.documents.byId(type, id));
  const own = known === null ? null : await read(known);
  if (own) return own;
  if (known !== null) await slots.release(slot, known);
  // One whose making was cut off is there although nobody remembers its id.
  const expected = known === null && (await slots.begunByAnyRun(slot));
  return directum.documents.byExternalId(type, slots.externalId(slot), expected);
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

/** `update` writes only while the document is a draft that nobody, the counterparty included, approves or has signed. */
function isOpenDraft(card: DocumentCard): boolean {
  const closed = ['OnApproval', 'PendingSign', 'Signed'];
  // A signature under a locked card leaves the state behind (directum.md E.1).
  if (card.lastVersionApproved) return false;
  const states = [card.internalApprovalState, card.externalApprovalState];
  return card.lifeCycleState === 'Draft' && !states.some((state) => closed.includes(state ?? ''));
}
