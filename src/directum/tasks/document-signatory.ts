import { documentTypes } from '../../documents/types/document-types.ts';
import { lostRights } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import type { Reader } from '../odata/list-reader.ts';
import { type Capabilities, leafOf } from '../odata/metadata.ts';
import { refOf, textOf } from '../odata/rows.ts';
import { DOCUMENTS } from '../odata/visibility.ts';

/** Writes the signatory into the document, from which a process computes its own (directum.md D.2). */
export async function writeSignatory(
  { reader, transport, can }: { reader: Reader; transport: Transport; can: Capabilities },
  documentId: number,
  signatoryId: number,
): Promise<void> {
  const row = await reader.one(can.need('OfficialDocument'), documentId, {
    select: ['Id'],
    expand: { OurSignatory: { select: ['Id'] } },
  });
  // It could be read a moment ago.
  if (row === null) throw lostRights(DOCUMENTS);
  if (refOf(row, 'OurSignatory') === signatoryId) return;
  const set = await ownSet(reader, can, documentId, textOf(row, '@odata.type'));
  await transport.send('PATCH', `${set}(${documentId})`, { OurSignatory: { Id: signatoryId } });
}

/** Set of the document's own type: changes go through it (directum.md J.2). Not every answer tells the type. */
async function ownSet(
  reader: Reader,
  can: Capabilities,
  documentId: number,
  type: string | null,
): Promise<string> {
  const told = type === null ? null : can.set(leafOf(type));
  if (told !== null) return told;
  for (const { entity } of documentTypes) {
    const set = can.set(entity);
    if (set !== null && (await reader.one(set, documentId, { select: ['Id'] }))) return set;
  }
  return can.need('OfficialDocument');
}
