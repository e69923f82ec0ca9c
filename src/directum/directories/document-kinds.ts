import type { DocumentType } from '../../documents/types/document-types.ts';
import { toVisible } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { FieldLabel, Reference } from '../../robot/ports/directum.ts';
import { DirectumAnswer } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { EVERY_ROW, equals } from '../odata/filter.ts';
import type { Metadata } from '../odata/metadata.ts';
import type { Expand } from '../odata/query.ts';
import { isRow, type Row, textOf } from '../odata/rows.ts';
import { clip, labelled, one, type Records, toId, toReference } from './records.ts';

const KIND_BY_GUID = 'Docflow/GetDocumentKindIdByGuid';

interface Ports extends Records {
  metadata: Metadata;
  transport: Pick<Transport, 'get'>;
}

/** Document kinds of one type of documents (directum.md B.6, J.1). */
export function createDocumentKinds({ rows, byName, metadata, transport }: Ports) {
  const guidOf = (row: Row) => {
    const type = row['DocumentType'];
    return isRow(type) ? (textOf(type, 'DocumentTypeGuid')?.toLowerCase() ?? null) : null;
  };

  /** What shows the type of a kind; null where Directum does not show it (directum.md B.6). */
  async function typeOfKinds(): Promise<Expand | null> {
    const can = await metadata.capabilities();
    const shown =
      can.property('DocumentType', 'DocumentTypeGuid') !== null &&
      can.property('DocumentKind', 'DocumentType') !== null;
    return shown ? { DocumentType: { select: ['DocumentTypeGuid'] } } : null;
  }

  /** Kinds of one name for several document types: those of `type` are meant (directum.md B.6). */
  async function kindsOf({ guid, flow }: DocumentType, leaf: string, name: string): Promise<Row[]> {
    const found = await byName(leaf, name, ['DocumentFlow'], (await typeOfKinds()) ?? undefined);
    const ofType = found.filter((row) => guidOf(row) === guid);
    const inFlow = found.filter((row) => row['DocumentFlow'] === flow);
    if (found.length < 2) return found;
    return ofType.length > 0 ? ofType : inFlow.length > 0 ? inFlow : found;
  }

  /** A kind of the type itself: one of another type is told apart, and never taken. */
  async function kindOfType(
    type: DocumentType,
    wanted: string,
    label: FieldLabel,
  ): Promise<Reference | null> {
    const expand = (await typeOfKinds()) ?? undefined;
    const id = toId(toVisible(wanted));
    const possible = id === null || (await metadata.capabilities()).isId(id);
    if (!possible) return null;
    const found =
      id === null
        ? await byName('DocumentKind', wanted, [], expand)
        : await rows('DocumentKind', equals('Id', id), [], expand);
    const ofType = expand === undefined ? found : found.filter((row) => guidOf(row) === type.guid);
    if (found.length > 0 && ofType.length === 0) {
      const { noun } = type.texts;
      throw new RobotFailure(
        'reference_not_found',
        labelled(label, {
          ru: `вид «${clip(wanted)}» — другого типа документов, не «${noun.ru}». Укажите вид этого типа.`,
          en: `the kind «${clip(wanted)}» is of another type of documents, not «${noun.en}». Give a kind of this type.`,
        }),
      );
    }
    return one(ofType, wanted, label);
  }

  /** The predefined kind; null where there is none any more, or Directum does not know the function (directum.md B.6, D.6). */
  async function predefinedKind({ guid, kindGuid }: DocumentType): Promise<Reference | null> {
    if (!(await metadata.capabilities()).has(KIND_BY_GUID)) return null;
    try {
      const answer = await transport.get(`${KIND_BY_GUID}(documentType=${guid},kindGuid=${kindGuid})`);
      const id = isRow(answer) ? answer['value'] : answer;
      if (typeof id !== 'number' || id <= 0) return null;
      return one(await rows('DocumentKind', equals('Id', id)), String(id), { ru: '', en: '' });
    } catch (error) {
      if (isNoKind(error)) return null;
      throw error;
    }
  }

  /** Default, predefined, or the only active one (interface.md directum_create_document). */
  async function findUsualKind(type: DocumentType): Promise<Reference | null> {
    const expand = await typeOfKinds();
    const found = expand === null ? [] : await rows('DocumentKind', EVERY_ROW, ['IsDefault'], expand);
    const ofType = found.filter((row) => guidOf(row) === type.guid);
    const byDefault = ofType.filter((row) => row['IsDefault'] === true);
    if (byDefault.length === 1) return toReference(byDefault[0]);
    return (await predefinedKind(type)) ?? (ofType.length === 1 ? toReference(ofType[0]) : null);
  }

  return { kindsOf, kindOfType, findUsualKind };
}

/** A kind that is not there any more is dereferenced by Directum, which answers 500 with words of its own (directum.md D.6). */
function isNoKind(error: unknown): boolean {
  if (!(error instanceof RobotFailure)) return false;
  const { cause } = error;
  if (cause instanceof DirectumAnswer && cause.status === 500) return cause.quoted !== null;
  return !error.heals;
}
