import { RobotFailure } from '../../robot/failure.ts';
import type { LeadingDocument } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { isSignedByBoth, isSignedByUs } from '../../robot/signature.ts';
import { contract, likeliestFirst } from '../types/document-types.ts';
import type { DocumentInputs, Making } from './inputs-outputs.ts';

/**
 * The document to which the new one belongs: by its id, else of a slot of the item; null when the type needs none and there
 * is none. @throws RobotFailure document_not_found, document_not_signed
 */
export async function findLeading(
  making: Making,
  given: DocumentInputs,
  context: RobotContext,
): Promise<LeadingDocument | null> {
  const { type, label } = making;
  if (type.leading === null) return null;
  const { contractual, required } = type.leading;
  const isNamed = given.leading_document_id !== undefined || given.leading_slot !== undefined;
  const title = given.leading_document_id === undefined ? label.leadingSlot : label.leadingId;
  const id = given.leading_document_id ?? (await inSlot(given.leading_slot ?? contract.slot, context));
  const found = id === null ? null : await context.directum.documents.leading(id);
  if (found === null) {
    // One that is named must be there; a usual one only where the type cannot do without.
    if (!required && !isNamed) return demandSigned(null, given, making);
    throw noLeading(making, given);
  }
  if (contractual && !found.contractual)
    throw new RobotFailure('document_not_found', {
      ru: `«${title.ru}»: документ «${found.name}» (${found.id}) — не договор и не дополнительное соглашение. Укажите договор.`,
      en: `«${title.en}»: the document «${found.name}» (${found.id}) is neither a contract nor an agreement. Give a contract.`,
    });
  return demandSigned(found, given, making);
}

/** There is no such document, or none any more. */
function noLeading({ label }: Making, { leading_document_id: id, leading_slot: given }: DocumentInputs) {
  const slot = given ?? contract.slot;
  return new RobotFailure(
    'document_not_found',
    id === undefined
      ? {
          ru: `«${label.leadingSlot.ru}»: в слоте «${slot}» этой сделки нет документа Directum. Поставьте раньше робота, который его создаёт, или укажите ИД.`,
          en: `«${label.leadingSlot.en}»: the slot «${slot}» of this deal holds no Directum document. Put the robot that makes it before, or give an id.`,
        }
      : {
          ru: `«${label.leadingId.ru}»: документа с ИД ${id} нет в Directum или он недоступен сервису. Проверьте ИД и права учётной записи.`,
          en: `«${label.leadingId.en}»: Directum has no document with id ${id}, or the account cannot read it. Check the id and the account's rights.`,
        },
  );
}

/**
 * Makes a card that belongs to a leading document. One that was deleted since it was looked at is the reason for a refusal.
 * @throws RobotFailure document_not_found
 */
export async function withLeading<T>(
  making: Making,
  given: DocumentInputs,
  { directum }: RobotContext,
  leadingId: number | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isRefused = error instanceof RobotFailure && error.code === 'directum_refused';
    if (!isRefused || leadingId === undefined) throw error;
    throw (await directum.documents.leading(leadingId)) === null ? noLeading(making, given) : error;
  }
}

/** Our own record first, then the key in Directum. */
async function inSlot(slot: string, { slots, directum }: RobotContext): Promise<number | null> {
  const recorded = await slots.find(slot);
  if (recorded !== null) return recorded;
  // One whose making was cut off is there although nobody remembers its id.
  const expected = await slots.begunByAnyRun(slot);
  const held = await directum.documents.holderOf(likeliestFirst(slot), slots.externalId(slot), expected);
  return held?.card.id ?? null;
}

/** @throws RobotFailure document_not_signed */
function demandSigned(
  leading: LeadingDocument | null,
  { require_signed: wanted = 'no' }: DocumentInputs,
  { label }: Making,
): LeadingDocument | null {
  if (wanted === 'no') return leading;
  const isSigned = wanted === 'us' ? isSignedByUs : isSignedByBoth;
  if (leading !== null && (isSigned(leading) || isSignedByBoth(leading))) return leading;
  const by = wanted === 'us' ? { ru: 'нами', en: 'by us' } : { ru: 'обеими сторонами', en: 'by both sides' };
  throw new RobotFailure(
    'document_not_signed',
    leading === null
      ? {
          ru: `«${label.requireSigned.ru}»: ведущего документа нет. Создайте и подпишите его или не требуйте подписания.`,
          en: `«${label.requireSigned.en}»: there is no leading document. Make and sign it, or do not require it signed.`,
        }
      : {
          ru: `«${label.requireSigned.ru}»: документ «${leading.name}» (${leading.id}) ещё не подписан ${by.ru}. Подпишите его и запустите робота снова.`,
          en: `«${label.requireSigned.en}»: the document «${leading.name}» (${leading.id}) is not signed ${by.en} yet. Sign it and run the robot again.`,
        },
  );
}
