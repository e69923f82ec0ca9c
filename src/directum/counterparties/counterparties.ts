import { cut } from '../../lib/text.ts';
import { knowing, RobotFailure } from '../../robot/failure.ts';
import type { CounterpartyLinksPort } from '../../robot/ports/counterparty-links.ts';
import type { CounterpartyResult, DirectumPort, UpdateMode } from '../../robot/ports/directum.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Party } from '../../robot/ports/portal.ts';
import type { DirectumContext } from '../directories/catalogue.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import { assertShown } from '../odata/absence.ts';
import { equalValues, idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';
import {
  assertOpen,
  cardQuery,
  choose,
  type Found,
  findCandidates,
  isCompatible,
  LEAF,
  LENGTH,
} from './counterparty-match.ts';
import { type Card, toCard } from './requisites.ts';

const KEEP_BANK_MS = 10 * 60_000;
/** Properties that are read, not looked up by. */
const TEXTS = new Set([
  'Name',
  'LegalName',
  'LastName',
  'FirstName',
  'MiddleName',
  'LegalAddress',
  'PostalAddress',
]);
const MOST_OTHERS = 8;
const COUNTERPARTIES = { ru: 'контрагентов', en: 'counterparties' };

interface Ports extends DirectumContext {
  transport: Transport;
  links: Links;
  counterpartyLinks: CounterpartyLinksPort;
  locks: LocksPort;
  /** Prefix of claim keys: one stand, one counterparty, whatever the portal. */
  claimScope: string;
  log: Log;
}

/** Counterparties of CRM companies and contacts (interface.md directum_sync_counterparty; directum.md B.1, B.2, J.4). */
export function createCounterparties(ports: Ports): DirectumPort['counterparties'] {
  const { transport, reader, metadata, lookups, links, counterpartyLinks, locks, claimScope, log } = ports;

  /** The card our own record of this key names; a deleted one frees the pair. */
  async function paired(crmKey: string): Promise<Found | null> {
    const pair = await counterpartyLinks.find(crmKey);
    if (!pair) return null;
    const { set, ...query } = await cardQuery(metadata, pair.type);
    const row = await reader.one(set, pair.id, query);
    if (!row) {
      // Without the rights a second card would be made of the same company.
      await assertShown(
        reader,
        set,
        await counterpartyLinks.others(pair.type, pair.id, MOST_OTHERS),
        COUNTERPARTIES,
      );
      log.info('counterparty.gone', { counterpartyId: pair.id });
      await counterpartyLinks.release(crmKey);
      return null;
    }
    return { type: pair.type, row };
  }

  /**
   * The card of the requisites, whatever has become of their numbers; else that of the CRM record, unless these
   * requisites name somebody else: a deal may choose a branch, or another legal entity of one company.
   */
  async function known(party: Party, card: Card): Promise<Found | null> {
    const own = toRequisiteKey(party, card);
    const bare = toCrmKey(party);
    let found = own === bare ? null : await paired(own);
    if (found === null) {
      found = await paired(bare);
      if (found && own !== bare && !isCompatible(found.row, card)) return null;
    }
    if (found) assertOpen(found);
    return found;
  }

  /** Remembers the card for the requisites, and for the CRM record when it has none yet. */
  async function remember(party: Party, card: Card, counterparty: { id: number; type: Found['type'] }) {
    const own = toRequisiteKey(party, card);
    const bare = toCrmKey(party);
    for (const key of new Set([own, bare])) {
      const kept = await counterpartyLinks.find(key);
      if (kept?.id === counterparty.id || (key === bare && own !== bare && kept)) continue;
      await counterpartyLinks.bind(key, counterparty);
    }
  }

  /** Bank of the account by BIC: taken when there is one, never made (directum.md J.4). */
  async function bankOf(card: Card): Promise<number | null> {
    const { bankBic } = card;
    if (bankBic === null || (await metadata.capabilities()).set('Bank') === null) return null;
    const set = (await metadata.capabilities()).need('Bank');
    return lookups.remember(`bank:${bankBic}`, KEEP_BANK_MS, async () => {
      const filter = { and: [{ BIC: bankBic }, { Status: 'Active' }] };
      const found = await reader.some(set, { filter, select: ['Id'] }, 2);
      return found.length === 1 ? idOf(found[0] as Row) : null;
    });
  }

  async function create(card: Card, externalId: string): Promise<Found> {
    const can = await metadata.capabilities();
    const leaf = LEAF[card.type];
    const body: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(toValues(card))) {
      if (can.property(leaf, name) !== null) body[name] = value;
    }
    const optional = {
      Status: 'Active',
      ExternalId: externalId,
      ...(card.nonresident && { Nonresident: true }),
    };
    for (const [name, value] of Object.entries(optional)) {
      if (can.property(leaf, name) !== null) body[name] = value;
    }
    const bank = await bankOf(card);
    if (bank !== null && can.property(leaf, 'Bank') !== null) body['Bank'] = { Id: bank };
    try {
      const made = await transport.send('POST', can.need(leaf), body);
      if (isRow(made)) return { type: card.type, row: { ...body, Id: idOf(made) } };
    } catch (error) {
      if (!(error instanceof RobotFailure) || error.code !== 'directum_unavailable') throw error;
      // The card may have been made although no answer came (directum.md J.6): it is looked for before reporting.
      const late = choose(await findCandidates(ports, card, externalId), card, externalId);
      if (!late) throw error;
      log.info('counterparty.found_after_fault', { counterpartyId: idOf(late.row) });
      return late;
    }
    const made = choose(await findCandidates(ports, card, externalId), card, externalId);
    if (made) return made;
    throw new RobotFailure('directum_unavailable', {
      ru: 'Directum принял нового контрагента, но не показывает его карточку. Запустите робота снова позже; администратору: проверьте права учётной записи сервиса.',
      en: "Directum took the new counterparty but does not show its card. Run the robot again later; administrator: check the rights of the service's account.",
    });
  }

  /** Writes what the mode allows; answers the property names written. */
  async function update(
    { type, row }: Found,
    card: Card,
    mode: UpdateMode,
    externalId: string,
  ): Promise<string[]> {
    if (mode === 'none' || row['IsCardReadOnly'] === true) return [];
    const can = await metadata.capabilities();
    const leaf = LEAF[type];
    const patch: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(toValues(card))) {
      if (can.property(leaf, name) === null) continue;
      const current = textOf(row, name);
      if (current === null || (mode === 'overwrite' && current !== value)) patch[name] = value;
    }
    // Without the mark Directum takes no number of another country.
    const isMarkDue = mode === 'overwrite' || 'TIN' in patch;
    if (isMarkDue && card.nonresident && row['Nonresident'] === false) patch['Nonresident'] = true;
    if (can.property(leaf, 'Bank') !== null && (mode === 'overwrite' || refOf(row, 'Bank') === null)) {
      const bank = await bankOf(card);
      if (bank !== null && bank !== refOf(row, 'Bank')) patch['Bank'] = { Id: bank };
    }
    const changedFields = Object.keys(patch);
    // A key somebody else wrote is theirs (directum.md H.1).
    const keyed = can.property(leaf, 'ExternalId') !== null && textOf(row, 'ExternalId') === null;
    if (keyed) patch['ExternalId'] = externalId;
    if (Object.keys(patch).length === 0) return [];
    try {
      await transport.send('PATCH', `${can.need(leaf)}(${idOf(row)})`, patch);
    } catch (error) {
      // Written although no answer came: a repeat would find nothing to write and tell nobody of the change.
      const unsure = error instanceof RobotFailure && error.code === 'directum_unavailable';
      if (unsure && (await holds(type, idOf(row), patch).catch(() => false))) return changedFields;
      // Our key alone is worth no failure: the pair is kept on our side.
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

  /** Claims of all keys, in one order for everybody. */
  function holdAll<T>([key, ...others]: string[], work: () => Promise<T>): Promise<T> {
    return key === undefined ? work() : locks.hold(key, () => holdAll(others, work));
  }

  return {
    async sync(party, mode) {
      const crmKey = toCrmKey(party);
      const externalId = counterpartyLinks.externalId(crmKey);
      const card = toCard(party);

      async function finish(found: Found, created: boolean): Promise<CounterpartyResult> {
        const id = idOf(found.row);
        const url = links.counterpartyUrl(id);
        const known = { counterparty_id: id, counterparty_url: url, counterparty_type: found.type };
        const changedFields = created
          ? []
          : await knowing(known, () => update(found, card, mode, externalId));
        const action = created ? 'created' : changedFields.length > 0 ? 'updated' : 'unchanged';
        if (action !== 'unchanged') log.info(`counterparty.${action}`, { counterpartyId: id, changedFields });
        return { id, url, action, type: found.type, changedFields };
      }

      const before = await known(party, card);
      if (before) {
        await remember(party, card, { id: idOf(before.row), type: before.type });
        return finish(before, false);
      }
      const numbers = card.ids.map((id) => `tin:${id}`).sort();
      const keys = (numbers.length === 0 ? [externalId] : numbers).map((name) => `${claimScope}:${name}`);
      return holdAll(keys, async () => {
        // Whoever held the claim before may have made it.
        const found =
          (await known(party, card)) ??
          choose(await findCandidates(ports, card, externalId), card, externalId);
        const bound = found ?? (await create(card, externalId));
        await remember(party, card, { id: idOf(bound.row), type: bound.type });
        // Written within the claim: a KPP filled in here decides what the next holder finds.
        return finish(bound, found === null);
      });
    },
  };
}

/** Our name of a CRM record: `COMPANY_44`, `CONTACT_8`. */
export function toCrmKey(party: Pick<Party, 'kind' | 'id'>): string {
  return `${party.kind.toUpperCase()}_${party.id}`;
}

/** `COMPANY_44:7` for the requisites with an INN; a record without one is one counterparty. */
function toRequisiteKey(party: Party, card: Card): string {
  const bare = toCrmKey(party);
  return card.tin === null || !party.requisite ? bare : `${bare}:${party.requisite.id}`;
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
