import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { MissingDocuments, MissingFacts } from '../../store/documents/missing-documents.ts';
import type { ChangesPort } from '../ports/changes.ts';

/** Most ids one question surely takes (directum.md A.5). */
export const QUESTION = 10;
/** Missing documents in one question; the rest of it are others, which show whether anything can be read. */
const MISSING_A_QUESTION = 5;
/** Others that are asked for when one of the first of them is missing too. */
const OTHERS = 100;

interface AskPorts {
  store: Pick<MissingDocuments, 'others'>;
  changes: Pick<ChangesPort, 'statesOf' | 'anyOfTypes'>;
}

/**
 * Asks for the missing documents once more, and in each question for others too: what is read at another moment proves
 * nothing. `proven`: something else could be read with them; `lost`: others that are not shown either; `asked`: how many
 * were asked for.
 */
export async function askTogether(
  missing: number[],
  facts: ReadonlyMap<number, MissingFacts>,
  { store, changes }: AskPorts,
) {
  const others = await store.others(missing, OTHERS);
  /** Those that could be read until now. */
  const fresh = missing.filter((id) => facts.get(id)?.deleted === false).length;
  /** How many other documents the package knows. */
  const peersOf = (id: number) => others.length + fresh - (facts.get(id)?.deleted === false ? 1 : 0);
  /** There is no other known document to compare with, so any contract that can be read is the proof. */
  const isAlone = (id: number) => !facts.has(id) || peersOf(id) === 0;
  /** Nothing was ever read, so no rights can have been lost. */
  const isUnknown = (id: number) => !facts.has(id) && peersOf(id) === 0;
  const found = new Map<number, DocumentState>();
  const proven = new Set<number>();
  const lost = new Set<number>();
  let used = 0;
  for (const group of toGroups(missing, MISSING_A_QUESTION)) {
    const controls = others.slice(0, QUESTION - group.length);
    used = Math.max(used, controls.length);
    const shownNow = new Set<number>();
    for (const state of await changes.statesOf([...group, ...controls])) {
      shownNow.add(state.id);
      if (group.includes(state.id)) found.set(state.id, state);
    }
    for (const id of controls) if (!shownNow.has(id)) lost.add(id);
    const alone = shownNow.size > 0 ? [] : group.filter(isAlone);
    // Another question at another moment: the rights may have come back between the two.
    const isAnyShown = alone.some((id) => !isUnknown(id)) && (await changes.anyOfTypes());
    for (const state of isAnyShown ? await changes.statesOf(alone) : []) found.set(state.id, state);
    for (const id of group)
      if (shownNow.size > 0 || (alone.includes(id) && (isAnyShown || isUnknown(id)))) proven.add(id);
  }
  if (lost.size > 0 && proven.size > 0) {
    const rest = others.slice(used);
    const ids = new Set((await readAll(rest, changes)).map(({ id }) => id));
    for (const id of rest) if (!ids.has(id)) lost.add(id);
    used = others.length;
  }
  return { found, proven, lost: [...lost], asked: missing.length + used };
}

/** Those of the documents that can be read, however many are asked for. */
export async function readAll(
  ids: number[],
  changes: Pick<ChangesPort, 'statesOf'>,
): Promise<DocumentState[]> {
  const states: DocumentState[] = [];
  for (const group of toGroups(ids, QUESTION)) states.push(...(await changes.statesOf(group)));
  return states;
}

export function toGroups(ids: number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, n) => ids.slice(n * size, (n + 1) * size));
}
