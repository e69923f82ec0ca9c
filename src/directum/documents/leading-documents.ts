import { documentTypes } from '../../documents/types/document-types.ts';
import type { LeadingDocument, Reference } from '../../robot/ports/directum.ts';
import { lostRights } from '../http/errors.ts';
import type { Links } from '../http/links.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { leafOf } from '../odata/metadata.ts';
import { idOf, isRow, type Row, textOf } from '../odata/rows.ts';
import { DOCUMENTS } from '../odata/visibility.ts';

const BASE = 'OfficialDocument';
/** The base of contracts and agreements, by the names that it has (directum.md B.5). */
const CONTRACTUAL = ['ContractualDocument', 'ContractualDocumentBase'];
const STATES = [
  'Name',
  'LifeCycleState',
  'InternalApprovalState',
  'ExternalApprovalState',
  'ExchangeState',
  'LastVersionApproved',
];

/** Documents to which others belong: whose they are, and whether they are signed. */
export function createLeadingDocuments(
  { reader, metadata, links }: DirectumContext & { links: Links },
  seen: (id: number) => Promise<'gone' | 'shown'>,
) {
  async function read(leaf: string, id: number): Promise<Row | null> {
    const can = await metadata.capabilities();
    const set = can.set(leaf);
    if (set === null) return null;
    const refs = can.having(leaf, ['Counterparty', 'BusinessUnit']);
    return reader.one(set, id, {
      select: ['Id', ...can.having(leaf, STATES)],
      expand: Object.fromEntries(refs.map((name) => [name, { select: ['Id', 'Name'] }])),
    });
  }

  const toRef = (row: unknown): Reference | null =>
    isRow(row) ? { id: idOf(row), name: textOf(row, 'Name') ?? '' } : null;

  function toLeading(row: Row, contractual: boolean): LeadingDocument {
    const counterparty = toRef(row['Counterparty']);
    return {
      id: idOf(row),
      name: textOf(row, 'Name') ?? '',
      contractual,
      counterparty: counterparty && { ...counterparty, url: links.counterpartyUrl(counterparty.id) },
      businessUnit: toRef(row['BusinessUnit']),
      lifeCycleState: textOf(row, 'LifeCycleState'),
      internalApprovalState: textOf(row, 'InternalApprovalState'),
      externalApprovalState: textOf(row, 'ExternalApprovalState'),
      exchangeState: textOf(row, 'ExchangeState'),
      lastVersionApproved: row['LastVersionApproved'] === true,
    };
  }

  async function find(id: number): Promise<LeadingDocument | null> {
    const can = await metadata.capabilities();
    const bases = CONTRACTUAL.filter((leaf) => can.set(leaf) && can.property(leaf, 'Counterparty'));
    for (const leaf of bases.length > 0 ? bases : ['Contract', 'SupAgreement']) {
      const row = await read(leaf, id);
      if (row !== null) return toLeading(row, true);
    }
    const row = await read(BASE, id);
    if (row === null) return null;
    // Only its own type has a counterparty.
    const leaf = leafOf(textOf(row, '@odata.type') ?? '');
    const type = documentTypes.find(({ entity }) => entity === leaf);
    const own =
      type === undefined || can.property(leaf, 'Counterparty') === null ? null : await read(leaf, id);
    return toLeading(own ?? row, false);
  }

  /** Null when it was deleted or never was. @throws RobotFailure directum_unavailable while rights seem to be lost */
  return async function leading(id: number): Promise<LeadingDocument | null> {
    if (!(await metadata.capabilities()).isId(id)) return null;
    const found = await find(id);
    if (found !== null || (await seen(id)) === 'gone') return found;
    const again = await find(id);
    if (again === null) throw lostRights(DOCUMENTS);
    return again;
  };
}
