import { RobotFailure } from '../../robot/failure.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { contract, likeliestFirst } from '../types/document-types.ts';

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
  throw new RobotFailure('document_not_found', {
    ru: `В слоте «${slot}» этой сделки нет документа Directum. Поставьте раньше робота «${contract.texts.robot.ru}» или укажите ИД документа.`,
    en: `The slot «${slot}» of this deal holds no Directum document. Put the robot «${contract.texts.robot.en}» before, or give a document id.`,
  });
}
