import { knowing } from '../../robot/failure.ts';
import type { DocumentCard, Register } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { type DocumentInputs, type Making, slotOf } from './inputs-outputs.ts';

/** What a registration writes. */
export const REGISTERED = ['RegistrationNumber', 'RegistrationDate'];

/** Where a document of an earlier attempt or run is registered that has no number yet; null for one that is to have none. */
export async function registerOfExisting(
  { type, label }: Making,
  { number, date }: DocumentInputs,
  card: DocumentCard,
  { directum }: RobotContext,
): Promise<Register | null> {
  if (type.number !== 'registration' || number === undefined || date === undefined) return null;
  if (card.registrationNumber !== null) return null;
  const names = ['DocumentKind', 'BusinessUnit', 'Department'];
  const held = await directum.documents.properties(type, card.id, names);
  const idOf = (name: string) => (held?.[name] as { Id?: number } | null | undefined)?.Id;
  const kindId = idOf('DocumentKind');
  if (kindId === undefined) return null;
  const of = { kindId, businessUnitId: idOf('BusinessUnit'), departmentId: idOf('Department') };
  return directum.documents.registerOf(of, label.number);
}

/**
 * The card, registered under the number and date of the step where it has no number yet; Directum may build its name anew.
 * `known` are the outputs that a failure is told with.
 */
export async function registered(
  making: Making,
  given: DocumentInputs,
  { directum, slots }: RobotContext,
  {
    card,
    register,
    known,
  }: { card: DocumentCard; register: Register | null; known: Record<string, unknown> },
): Promise<DocumentCard> {
  const { type } = making;
  const { number, date } = given;
  if (register === null || card.registrationNumber !== null) return card;
  if (number === undefined || date === undefined) return card;
  return knowing(known, async () => {
    await slots.changing(card.id, REGISTERED);
    await directum.documents.register(type, card.id, { register, number, date });
    const now = await directum.documents.byId(type, card.id);
    // What was written becomes a line of the journal.
    await slots.bind(slotOf(making, given), card);
    return now ?? card;
  });
}
