import { shorten, toVisible } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { FieldLabel, Reference } from '../../robot/ports/directum.ts';
import { allOf, equals, type Filter, oneOf, sameText } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, type Row, textOf } from '../odata/rows.ts';
import { listed } from './listed.ts';

/** Longest part of a name that is asked for: each letter may take nine characters of a start line of 2048 (directum.md A.5). */
const NAME_LENGTH = 120;
/** Room for the ids of namesakes within the 500 characters of an answer's text. */
const IDS_LENGTH = 150;

/** Active records of directories (interface.md §3 Values). */
export function createRecords({ reader, metadata }: Pick<DirectumContext, 'reader' | 'metadata'>) {
  /** Active rows of a directory; only properties this installation has are asked for. */
  async function rows(leaf: string, filter: Filter, extra: string[] = [], expand?: Expand): Promise<Row[]> {
    const can = await metadata.capabilities();
    const hasStatus = can.property(leaf, 'Status') !== null;
    return reader.all(can.need(leaf), {
      filter: hasStatus ? allOf(filter, equals('Status', 'Active')) : filter,
      select: ['Id', 'Name', ...can.having(leaf, extra)],
      ...(expand && { expand }),
    });
  }

  async function byName(leaf: string, name: string, extra: string[] = [], expand?: Expand): Promise<Row[]> {
    const wanted = name.toLowerCase();
    const seen = toVisible(wanted);
    const spellings = [...new Set([name, toVisible(name)])];
    // Together they must fit the start line.
    const asked = spellings.map((one) => sameText('Name', one, NAME_LENGTH / spellings.length));
    const found = await rows(leaf, oneOf(asked), extra, expand);
    const named = (is: (own: string) => boolean) =>
      found.filter((row) => is((textOf(row, 'Name') ?? '').toLowerCase()));
    const exact = named((own) => own === wanted);
    return exact.length > 0 ? exact : named((own) => toVisible(own) === seen);
  }

  return { rows, byName };
}

export type Records = ReturnType<typeof createRecords>;

/** The id that a text of digits means; -1, which no record has, for a number too great; null for any other text. */
export function toId(text: string): number | null {
  if (!/^\d+$/.test(text)) return null;
  const id = Number(text);
  return Number.isSafeInteger(id) && id > 0 ? id : -1;
}

export function toReference(row: Row | undefined): Reference | null {
  return row === undefined ? null : { id: idOf(row), name: textOf(row, 'Name') ?? String(idOf(row)) };
}

export function one(found: Row[], value: string, label: FieldLabel): Reference | null {
  const references = found.flatMap((row) => toReference(row) ?? []);
  if (references.length < 2) return references[0] ?? null;
  const ids = listed(
    references.map(({ id }) => String(id)),
    IDS_LENGTH,
  );
  throw new RobotFailure(
    'reference_ambiguous',
    labelled(label, {
      ru: `в Directum несколько действующих записей «${clip(value)}» (ИД ${ids.ru}). Укажите ИД нужной вместо имени.`,
      en: `Directum has several active records «${clip(value)}» (ids ${ids.en}). Give the id of the right one instead of the name.`,
    }),
  );
}

export function notFound(value: string, label: FieldLabel): RobotFailure {
  return new RobotFailure(
    'reference_not_found',
    labelled(label, {
      ru: `в Directum нет действующей записи «${clip(value)}», доступной сервису. Проверьте имя или ИД и состояние записи.`,
      en: `Directum has no active record «${clip(value)}» that the service can read. Check the name or id and the record's state.`,
    }),
  );
}

export function labelled(label: FieldLabel, text: LocalText): LocalText {
  return { ru: `«${label.ru}»: ${text.ru}`, en: `«${label.en}»: ${text.en}` };
}

export const clip = (text: string): string => shorten(text, 100);
