import { cut } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { UpdateMode } from '../../robot/ports/directum.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Transport } from '../http/transport.ts';
import { allOf, equals } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { equalValues, idOf, isRow, refOf, textOf } from '../odata/rows.ts';
import { cardQuery, choose, type createCandidates, type Found, LEAF, LENGTH } from './counterparty-match.ts';
import type { Card } from './requisites.ts';

const KEEP_BANK_MS = 10 * 60_000;
/** Texts for people: they may be cut to the length of their property. */
const TEXTS = new Set([
  'Name',
  'LegalName',
  'LastName',
  'FirstName',
  'MiddleName',
  'LegalAddress',
  'PostalAddress',
]);

/** Writes of counterparty cards (directum.md B.1, J.4). */
interface CounterpartyCards {
  /** What `create` writes, or `update` of a card that is there, by Directum's names of properties. */
  valuesOf(card: Card, found: Found | null, mode: UpdateMode): Promise<Record<string, unknown>>;
  create(card: Card, externalId: string): Promise<Found>;
  /** Writes what the mode allows; answers the property names written, of which `onWrite` is told before. */
  update(
    found: Found,
    card: Card,
    mode: UpdateMode,
    externalId: string,
    onWrite: (properties: string[]) => Promise<void>,
  ): Promise<string[]>;
}

export function createCards(
  context: DirectumContext & {
    transport: Transport;
    findCandidates: ReturnType<typeof createCandidates>;
    log: Log;
  },
): CounterpartyCards {
  const { transport, reader, metadata, lookups, findCandidates, log } = context;

  /** Bank of the account by BIC: taken when there is one, never made (directum.md J.4). */
  async function bankOf(card: Card): Promise<number | null> {
    const { bankBic } = card;
    if (bankBic === null || (await metadata.capabilities()).set('Bank') === null) return null;
    const set = (await metadata.capabilities()).need('Bank');
    return lookups.remember(`bank:${bankBic}`, KEEP_BANK_MS, async () => {
      const filter = allOf(equals('BIC', bankBic), equals('Status', 'Active'));
      const [only, ...others] = await reader.some(set, { filter, select: ['Id'] }, 2);
      return only && others.length === 0 ? idOf(only) : null;
    });
  }

  async function valuesOf(
    card: Card,
    found: Found | null,
    mode: UpdateMode,
  ): Promise<Record<string, unknown>> {
    const { type, row } = found ?? { type: card.type, row: {} };
    if (found !== null && (mode === 'none' || row['IsCardReadOnly'] === true)) return {};
    const can = await metadata.capabilities();
    const leaf = LEAF[type];
    const values: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(toValues(card))) {
      if (can.property(leaf, name) === null) continue;
      const current = textOf(row, name);
      if (current === null || (mode === 'overwrite' && current !== value)) values[name] = value;
    }
    // Without the mark Directum takes no number of another country.
    const isMarkDue = found === null || mode === 'overwrite' || 'TIN' in values;
    const isMarked = found !== null && row['Nonresident'] !== false;
    if (isMarkDue && card.nonresident && !isMarked && can.property(leaf, 'Nonresident') !== null)
      values['Nonresident'] = true;
    if (can.property(leaf, 'Bank') !== null && (mode === 'overwrite' || refOf(row, 'Bank') === null)) {
      const bank = await bankOf(card);
      if (bank !== null && bank !== refOf(row, 'Bank')) values['Bank'] = { Id: bank };
    }
    return values;
  }

  async function create(card: Card, externalId: string): Promise<Found> {
    const can = await metadata.capabilities();
    const leaf = LEAF[card.type];
    const body = await valuesOf(card, null, 'fill');
    for (const [name, value] of Object.entries({ Status: 'Active', ExternalId: externalId })) {
      if (can.property(leaf, name) !== null) body[name] = value;
    }
    try {
      const made = await transport.send('POST', can.need(leaf), body);
      if (isRow(made)) return { type: card.type, row: { ...body, Id: idOf(made) } };
    } catch (error) {
      if (!(error instanceof RobotFailure) || error.code !== 'directum_unavailable') throw error;
      // The card may have been made although no answer came (directum.md J.6): it is looked for before reporting.
      const late = choose(await findCandidates(card, externalId), card, externalId);
      if (!late) throw error;
      log.info('counterparty.found_after_fault', { counterpartyId: idOf(late.row) });
      return late;
    }
    const made = choose(await findCandidates(card, externalId), card, externalId);
    if (made) return made;
    throw new RobotFailure('directum_unavailable', {
      ru: 'Directum принял нового контрагента, но не показывает его карточку. Запустите робота снова позже; администратору: проверьте права учётной записи сервиса.',
      en: "Directum took the new counterparty but does not show its card. Run the robot again later; administrator: check the rights of the service's account.",
    });
  }

  async function update(
    { type, row }: Found,
    card: Card,
    mode: UpdateMode,
    externalId: string,
    onWrite: (properties: string[]) => Promise<void>,
  ): Promise<string[]> {
    if (mode === 'none' || row['IsCardReadOnly'] === true) return [];
    const can = await metadata.capabilities();
    const leaf = LEAF[type];
    const patch = await valuesOf(card, { type, row }, mode);
    const changedFields = Object.keys(patch);
    // A key of another integration is left alone (directum.md H.1).
    const isKeyDue = can.property(leaf, 'ExternalId') !== null && textOf(row, 'ExternalId') === null;
    if (isKeyDue) patch['ExternalId'] = externalId;
    if (Object.keys(patch).length === 0) return [];
    if (changedFields.length > 0) await onWrite(changedFields);
    try {
      await transport.send('PATCH', `${can.need(leaf)}(${idOf(row)})`, patch);
    } catch (error) {
      // Written although no answer came: a repeat would find nothing to write and would not report the change.
      const unsure = error instanceof RobotFailure && error.code === 'directum_unavailable';
      if (unsure && (await holds(type, idOf(row), patch).catch(() => false))) return changedFields;
      // A key alone is no reason to fail: the link is kept on our side too.
      if (changedFields.length > 0) throw error;
      log.warn('counterparty.key_not_written', { counterpartyId: idOf(row), error });
    }
    return changedFields;
  }

  async function holds(type: Found['type'], id: number, patch: Record<string, unknown>): Promise<boolean> {
    const { set, ...query } = await cardQuery(metadata, type);
    const row = await reader.one(set, id, query);
    return row !== null && Object.entries(patch).every(([name, value]) => equalValues(row[name], value));
  }

  return { valuesOf, create, update };
}

/** A cut name is still a name; a cut account, e-mail or address of a site is another one, so what is too long is left out. */
function toValues(card: Card): Record<string, string> {
  const most = (name: string) => LENGTH[name] ?? 250;
  return Object.fromEntries(
    Object.entries(card.values)
      .filter(([name, value]) => TEXTS.has(name) || value.length <= most(name))
      .map(([name, value]) => [name, cut(value, most(name)).trim()]),
  );
}
