import { type DocumentType, documentTypes } from '../../documents/types/document-types.ts';
import { shortenMiddle } from '../../lib/text.ts';
import type { DirectumPort, DocumentCard } from '../../robot/ports/directum.ts';
import type { Log } from '../../robot/ports/log.ts';
import { contains } from '../odata/filter.ts';
import type { Capabilities, Metadata } from '../odata/metadata.ts';
import type { Columns } from '../odata/query.ts';
import { idOf, type Row, textOf } from '../odata/rows.ts';
import type { SharedReader } from '../odata/shared-reader.ts';

const BASE = 'OfficialDocument';

/** Longest note that Directum takes (directum.md B.4). */
const NOTE = 1_000;
const OURS = /^b24:\S+$/;

/** Whether documents of the type have a place for our key; older installations lack it in some types (directum.md H.1). */
export const hasKey = (can: Capabilities, { entity }: DocumentType): boolean =>
  can.property(entity, 'ExternalId') !== null;

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

interface Ports {
  reader: SharedReader;
  metadata: Metadata;
  log: Log;
  /** What is asked for of a card of the type. */
  query(type: DocumentType): Promise<Columns & { set: string }>;
  toCard(type: DocumentType, row: Row): DocumentCard;
  /** @throws RobotFailure directum_unavailable while rights seem to be lost */
  proveRights(): Promise<unknown>;
}

/** Documents by our key (directum.md H.1, J.6). */
export function createKeyLookups({
  reader,
  metadata,
  log,
  query,
  toCard,
  proveRights,
}: Ports): Pick<DirectumPort['documents'], 'byExternalId' | 'holderOf'> {
  /** Where rows are expected and none come, the rights are proven, and may have come back between the two questions. */
  async function askTwice(ask: () => Promise<Row[]>, expected: boolean): Promise<Row[]> {
    const rows = await ask();
    if (rows.length > 0 || !expected) return rows;
    await proveRights();
    return ask();
  }

  async function byExternalId(
    type: DocumentType,
    externalId: string,
    expected = false,
  ): Promise<DocumentCard | null> {
    const { set, ...rest } = await query(type);
    const can = await metadata.capabilities();
    const ask = () =>
      hasKey(can, type)
        ? reader.equal(set, 'ExternalId', externalId, rest)
        : reader.all(set, { ...rest, filter: contains('Note', externalId) });
    const rows = await askTwice(ask, expected);
    // Some databases compare without case; the key is exact.
    const own = rows.filter((row) => keyOf(row) === externalId).sort((a, b) => idOf(a) - idOf(b));
    if (own.length > 1) log.warn(`${type.code}.key_doubled`, { documentIds: own.map((row) => idOf(row)) });
    return own[0] ? toCard(type, own[0]) : null;
  }

  return {
    byExternalId,
    async holderOf(types, externalId, expected) {
      const can = await metadata.capabilities();
      // Older installations show the key on sets of single types only (directum.md H.1).
      const onBase = can.set(BASE) !== null && can.property(BASE, 'ExternalId') !== null;
      if (onBase) {
        const columns = { select: ['Id', 'ExternalId'] };
        const ask = () => reader.equal(can.need(BASE), 'ExternalId', externalId, columns);
        const rows = await askTwice(ask, expected);
        if (rows.length === 0) return null;
      }
      // Whoever has a key that is there is found, of whatever type it is.
      for (const type of onBase ? new Set([...types, ...documentTypes]) : types) {
        if (can.set(type.entity) === null) continue;
        const card = await byExternalId(type, externalId, expected && !onBase);
        if (card !== null) return { type, card };
      }
      return null;
    },
  };
}
