import type { DealPort } from '../documents/ports.ts';
import { toActivityFields, toLayout } from './activity-card.ts';
import type { BatchAnswer } from './batch.ts';
import { isRecord } from './call.ts';
import { item as getItem } from './crm-commands.ts';
import { toValues } from './deal-fields.ts';
import { type FieldFacts, plain } from './field-facts.ts';
import type { Installations } from './installation.ts';
import { said, type Writer } from './writes.ts';

type Wanted = Parameters<DealPort['compare']>[0][number];

/**
 * Reads items and activities back and says what they show otherwise than wanted (bitrix24.md F1, F8).
 * @throws PortalError when the portal does not say
 */
export function createComparer({ writer, installations }: { writer: Writer; installations: Installations }) {
  return async function compare(
    memberId: string,
    language: 'ru' | 'en',
    wanted: readonly Wanted[],
  ): Promise<Awaited<ReturnType<DealPort['compare']>>> {
    const items = await writer.send(
      memberId,
      wanted.map(({ item }) => getItem(item.typeId, item.id)),
    );
    const made = wanted.flatMap(({ activityId }) => (activityId === null ? [] : [activityId]));
    const read = await writer.send(
      memberId,
      made.map((id) => ({ method: 'crm.activity.configurable.get', params: { id } })),
    );
    const activities = new Map(made.map((id, at) => [id, said(read[at] as BatchAnswer)]));
    return wanted.map((one, at) => {
      const answer = said(items[at] as BatchAnswer);
      if (!answer.ok) return answer.kind === 'gone' ? 'gone' : [];
      const facts = installations.get(memberId)?.fields?.[one.item.typeId];
      const activity = one.activityId === null ? undefined : activities.get(one.activityId);
      return [
        ...(facts !== undefined && !showsFields(answer.result, one, facts) ? (['fields'] as const) : []),
        ...(showsCard(activity, one, language) ? [] : (['activity'] as const)),
      ];
    });
  };
}

function showsFields(result: unknown, { fields }: Wanted, facts: FieldFacts): boolean {
  if (fields === null) return true;
  const shown = isRecord(result) && isRecord(result['item']) ? result['item'] : {};
  const values = new Map(Object.entries(shown).map(([name, value]) => [plain(name), value]));
  return Object.entries(toValues(fields, facts)).every(([name, value]) =>
    isSame(values.get(plain(name)), value),
  );
}

/** The portal writes moments in its own offset, an empty value as null, false, 0 or nothing. */
function isSame(shown: unknown, wanted: string | number): boolean {
  if (wanted === '')
    return shown === undefined || shown === null || shown === '' || shown === false || Number(shown) === 0;
  if (typeof shown !== 'string' && typeof shown !== 'number') return false;
  if (String(shown) === String(wanted)) return true;
  const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
  return (
    moment.test(String(shown)) &&
    moment.test(String(wanted)) &&
    Date.parse(String(shown)) === Date.parse(String(wanted))
  );
}

/**
 * Is the activity there and does it show every text of the card? How the portal orders or completes a layout is its own
 * affair. One that cannot be read for another reason is not written anew each night.
 */
function showsCard(answer: BatchAnswer | undefined, { card }: Wanted, language: 'ru' | 'en'): boolean {
  if (answer === undefined) return false;
  if (!answer.ok) return answer.kind !== 'gone' && answer.error !== 'ERROR_WRONG_APPLICATION';
  const activity = isRecord(answer.result) ? answer.result['activity'] : undefined;
  const shown = new Set(textsOf(activity));
  const { completed } = toActivityFields(card);
  const fields = isRecord(activity) && isRecord(activity['fields']) ? activity['fields'] : {};
  const isDone = fields['completed'];
  return (
    textsOf(toLayout(card, language)).every((text) => shown.has(text)) &&
    (typeof isDone === 'string' ? isDone === completed : true)
  );
}

/** Our layouts are six deep. */
const MAX_DEPTH = 12;

function textsOf(value: unknown, depth = 0): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
  return Object.values(value).flatMap((inner) => textsOf(inner, depth + 1));
}
