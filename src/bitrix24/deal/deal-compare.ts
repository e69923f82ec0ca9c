import type { Compared, DealPort, Deviation } from '../../documents/ports/deal.ts';
import type { Installations } from '../auth/installation.ts';
import { item as getItem } from '../crm/commands.ts';
import type { BatchAnswer } from '../rest/batch.ts';
import { isRecord } from '../rest/values.ts';
import { said, type Writer, withAnswers } from '../rest/writes.ts';
import { toActivityFields, toLayout } from './activity-card.ts';
import { toValues } from './fields/deal-fields.ts';
import { type FieldFacts, plain } from './fields/field-facts.ts';

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
    const activities = new Map(withAnswers(made, read).map(([id, answer]) => [id, said(answer)]));
    return withAnswers(wanted, items).map(([one, shown]): Compared => {
      const answer = said(shown);
      if (!answer.ok) {
        if (answer.kind === 'gone') return 'gone';
        return { deviations: [], refused: toWords(answer) };
      }
      const facts = installations.get(memberId)?.fields?.[one.item.typeId];
      const activity = one.activityId === null ? undefined : activities.get(one.activityId);
      return {
        deviations: [
          ...(facts === undefined ? [] : fieldsOtherwise(answer.result, one, facts)),
          ...cardOtherwise(activity, one, language),
        ],
        refused: activity !== undefined && !activity.ok && !isMissing(activity) ? toWords(activity) : null,
      };
    });
  };
}

function toWords({ error, description }: BatchAnswer & { ok: false }): string {
  return [error, description].filter((part) => part !== '').join(': ');
}

function fieldsOtherwise(result: unknown, { fields }: Wanted, facts: FieldFacts): Deviation[] {
  if (fields === null) return [];
  const shown = isRecord(result) && isRecord(result['item']) ? result['item'] : {};
  const values = new Map(Object.entries(shown).map(([name, value]) => [plain(name), value]));
  const statuses = new Map(Object.entries(facts.items).map(([status, id]) => [String(id), status]));
  const isStatus = (name: string) => /STATUS$/i.test(name);
  return Object.entries(toValues(fields, facts))
    .filter(([name, wanted]) => !isSame(values.get(plain(name)), wanted))
    .map(([name, wanted]) => {
      const words = (value: unknown) => {
        const text = value === null || value === undefined || value === false ? '' : String(value);
        return (isStatus(name) && statuses.get(text)) || text;
      };
      return { part: 'fields', name, shown: words(values.get(plain(name))), wanted: words(wanted) };
    });
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
 * Is the activity there and does it show every text of the card? How the portal orders or completes a layout does not
 * count. One that cannot be read for another reason is left alone, else it would be written anew each night.
 */
function cardOtherwise(
  answer: BatchAnswer | undefined,
  { card }: Wanted,
  language: 'ru' | 'en',
): Deviation[] {
  if (answer === undefined || (!answer.ok && isMissing(answer)))
    return [{ part: 'activity', name: '', shown: null, wanted: null }];
  if (!answer.ok) return [];
  const activity = isRecord(answer.result) ? answer.result['activity'] : undefined;
  const all = textsOf(activity);
  const shown = new Set(all.map(({ text }) => text));
  const { completed } = toActivityFields(card);
  const fields = isRecord(activity) && isRecord(activity['fields']) ? activity['fields'] : {};
  const isDone = fields['completed'];
  return [
    ...textsOf(toLayout(card, language))
      .filter(({ text }) => !shown.has(text))
      .map(({ path, text }) => ({
        part: 'activity' as const,
        name: /blocks\.(\w+)\./.exec(path)?.[1] ?? path.split('.')[0] ?? '',
        shown: all.find((one) => one.path.endsWith(path))?.text ?? '',
        wanted: text,
      })),
    ...(typeof isDone === 'string' && isDone !== completed
      ? [{ part: 'activity' as const, name: 'completed', shown: isDone, wanted: completed }]
      : []),
  ];
}

function isMissing({ kind, error }: BatchAnswer & { ok: false }): boolean {
  return kind === 'gone' || error === 'ERROR_WRONG_APPLICATION';
}

/** Our layouts are six deep. */
const MAX_DEPTH = 12;

function textsOf(value: unknown, path = '', depth = 0): { path: string; text: string }[] {
  if (typeof value === 'string' || typeof value === 'number') return [{ path, text: String(value) }];
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    textsOf(inner, path === '' ? key : `${path}.${key}`, depth + 1),
  );
}
