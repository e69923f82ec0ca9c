import { RobotFailure } from '../../robot/failure.ts';
import type { LeadingDocument } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { isSignedByBoth, isSignedByUs } from '../../robot/signature.ts';
import { contract, likeliestFirst } from '../types/document-types.ts';
import type { DocumentInputs, Making } from './document-inputs.ts';

/**
 * The document to which the new one belongs: by its id, else of a slot of the item; null when the type needs none and there
 * is none. @throws RobotFailure document_not_found, document_not_signed
 */
export async function findLeading(
  { type, label }: Making,
  given: DocumentInputs,
  context: RobotContext,
): Promise<LeadingDocument | null> {
  if (type.leading === null) return null;
  const { contractual, required } = type.leading;
  const isNamed = given.leading_document_id !== undefined || given.leading_slot !== undefined;
  const title = given.leading_document_id === undefined ? label.leadingSlot : label.leadingId;
  const slot = given.leading_slot ?? contract.slot;
  const id = given.leading_document_id ?? (await inSlot(slot, context));
  const found = id === null ? null : await context.directum.documents.leading(id);
  if (found === null) {
    // One that is named must be there; a usual one only where the type cannot do without.
    if (!required && !isNamed) return demandSigned(null, given, { type, label });
    const where =
      given.leading_document_id === undefined
        ? {
            ru: `в слоте «${slot}» этой сделки нет документа Directum. Поставьте раньше робота, который его создаёт, или укажите ИД`,
            en: `the slot «${slot}» of this deal holds no Directum document. Put the robot that makes it before, or give an id`,
          }
        : {
            ru: `документа с ИД ${id} нет в Directum или он недоступен сервису. Проверьте ИД и права учётной записи`,
            en: `Directum has no document with id ${id}, or the account cannot read it. Check the id and the account's rights`,
          };
    throw new RobotFailure('document_not_found', {
      ru: `«${title.ru}»: ${where.ru}.`,
      en: `«${title.en}»: ${where.en}.`,
    });
  }
  if (contractual && !found.contractual)
    throw new RobotFailure('document_not_found', {
      ru: `«${title.ru}»: документ «${found.name}» (${found.id}) — не договор и не дополнительное соглашение. Укажите договор.`,
      en: `«${title.en}»: the document «${found.name}» (${found.id}) is neither a contract nor an agreement. Give a contract.`,
    });
  return demandSigned(found, given, { type, label });
}

/** Our own record first, then the key in Directum. */
async function inSlot(slot: string, { slots, directum }: RobotContext): Promise<number | null> {
  const recorded = await slots.find(slot);
  if (recorded !== null) return recorded;
  const held = await directum.documents.holderOf(likeliestFirst(slot), slots.externalId(slot), false);
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
