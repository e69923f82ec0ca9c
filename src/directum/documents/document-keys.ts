import type { DocumentType } from '../../documents/types/document-types.ts';
import { shortenMiddle } from '../../lib/text.ts';
import { contains, equals, type Filter } from '../odata/filter.ts';
import type { Capabilities } from '../odata/metadata.ts';
import { type Row, textOf } from '../odata/rows.ts';

/** Longest note that Directum takes (directum.md B.4). */
const NOTE = 1_000;
const OURS = /^b24:\S+$/;

/** Whether documents of the type have a place for our key; older installations lack it in some types (directum.md H.1). */
export const hasKey = (can: Capabilities, { entity }: DocumentType): boolean =>
  can.property(entity, 'ExternalId') !== null;

/** Documents that may have the key; the answer is compared with `keyOf`. */
export const withKey = (can: Capabilities, type: DocumentType, key: string): Filter =>
  hasKey(can, type) ? equals('ExternalId', key) : contains('Note', key);

/** Our key on a card: its `ExternalId`, else the last line of its note. */
export function keyOf(row: Row): string | null {
  if ('ExternalId' in row) return textOf(row, 'ExternalId');
  const last =
    textOf(row, 'Note')
      ?.split(/\r\n|\r|\n/)
      .at(-1)
      ?.trim() ?? '';
  return OURS.test(last) ? last : null;
}

/** A note whose last line is the key; what is too long is cut before it. */
export const noteWithKey = (note: string | null | undefined, key: string): string =>
  shortenMiddle(note ? `${note}\n${key}` : key, NOTE);

export const plainNote = (note: string): string => shortenMiddle(note, NOTE);
