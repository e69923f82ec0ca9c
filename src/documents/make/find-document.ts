import { knowing, RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard, FieldLabel } from '../../robot/ports/directum.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { invalid } from '../../robot/run/inputs.ts';
import { contract, type DocumentType, likeliestFirst } from '../types/document-types.ts';
import type { DocumentInputs, Making } from './inputs-outputs.ts';

/**
 * The document named by its id, else the one in the slot: our own record first, then the key in Directum.
 * @throws RobotFailure document_not_found
 */
export async function findDocument(
  { document_id: given, slot }: { document_id?: number | undefined; slot: string },
  { directum, slots }: Pick<RobotContext, 'directum' | 'slots'>,
): Promise<DocumentState> {
  if (given !== undefined) {
    const named = await directum.states.read(given);
    if (named) {
      await slots.give(given);
      return named;
    }
    throw new RobotFailure('document_not_found', {
      ru: `Документа с ИД ${given} нет в Directum или он недоступен сервису. Проверьте ИД и права учётной записи.`,
      en: `Directum has no document with id ${given}, or the account cannot read it. Check the id and the account's rights.`,
    });
  }
  const recorded = await slots.find(slot);
  const own = recorded === null ? null : await directum.states.read(recorded);
  if (own) return own;
  const key = slots.externalId(slot);
  const held = await directum.documents.holderOf(likeliestFirst(slot), key, recorded === null);
  const found = held && (await directum.states.read(held.card.id));
  if (held && found) {
    await slots.bind(slot, held.card, { type: held.type.code, made: false, kindId: found.kindId ?? null });
    return found;
  }
  const { robot } = (likeliestFirst(slot)[0] ?? contract).texts;
  throw new RobotFailure('document_not_found', {
    ru: `В слоте «${slot}» этой сделки нет документа Directum. Поставьте раньше робота «${robot.ru}» или укажите ИД документа.`,
    en: `The slot «${slot}» of this deal holds no Directum document. Put the robot «${robot.en}» before, or give a document id.`,
  });
}

/** The slot's document: our own record first, then the key in Directum; a deleted one frees the slot. */
export async function findOwned(
  { type, label }: Making,
  slot: string,
  { directum, slots, checking }: RobotContext,
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
  if (known !== null && checking === null) await slots.release(slot, known);
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
export async function findLinked(
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
