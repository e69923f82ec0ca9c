import { RobotFailure } from '../robot/failure.ts';
import type {
  ClaimsPort,
  CounterpartyResult,
  DirectumPort,
  Log,
  PairsPort,
  Party,
  UpdateMode,
} from '../robot/ports.ts';
import type { Stand } from './catalogue.ts';
import {
  assertOpen,
  cardQuery,
  choose,
  type Found,
  findCandidates,
  LEAF,
  LENGTH,
} from './counterparty-match.ts';
import type { Links } from './links.ts';
import { type Card, toCard } from './requisites.ts';
import { cut, idOf, isRow, type Row, refOf, textOf } from './rows.ts';
import type { Transport } from './transport.ts';

const KEEP_BANK_MS = 10 * 60_000;

interface Ports extends Stand {
  transport: Transport;
  links: Links;
  pairs: PairsPort;
  claims: ClaimsPort;
  /** Prefix of claim keys: one stand, one counterparty, whatever the portal. */
  claimScope: string;
  log: Log;
}

/** Counterparties of CRM companies and contacts (interface.md directum_sync_counterparty; directum.md B.1, B.2, J.4). */
export function createCounterparties(ports: Ports): DirectumPort['counterparties'] {
  const { transport, reader, metadata, memory, links, pairs, claims, claimScope, log } = ports;

  /** The card our own record names; a deleted one frees the pair. */
  async function known(crmKey: string): Promise<Found | null> {
    const pair = await pairs.find(crmKey);
    if (!pair) return null;
    const { set, ...query } = await cardQuery(metadata, pair.type);
    const row = await reader.one(set, pair.id, query);
    if (!row) {
      log.info('counterparty.gone', { counterpartyId: pair.id });
      await pairs.release(crmKey);
      return null;
    }
    const found = { type: pair.type, row };
    assertOpen(found);
    return found;
  }

  /** Bank of the account by BIC: taken when there is one, never made (directum.md J.4). */
  async function bankOf(card: Card): Promise<number | null> {
    const { bankBic } = card;
    if (bankBic === null || (await metadata.capabilities()).set('Bank') === null) return null;
    const set = (await metadata.capabilities()).need('Bank');
    return memory.remember(`bank:${bankBic}`, KEEP_BANK_MS, async () => {
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
      ru: 'Directum принял нового контрагента, но не показывает его карточку. Запустите робот снова позже; администратору: проверьте права учётной записи пакета.',
      en: "Directum took the new counterparty but does not show its card. Run the robot again later; administrator: check the rights of the package's account.",
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
    if (mode === 'overwrite' && card.nonresident && row['Nonresident'] === false) patch['Nonresident'] = true;
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
      // Our key alone is worth no failure: the pair is kept on our side.
      if (changedFields.length > 0) throw error;
      log.warn('counterparty.key_not_written', { counterpartyId: idOf(row), error });
    }
    return changedFields;
  }

  return {
    async sync(party, mode) {
      const crmKey = toCrmKey(party);
      const externalId = pairs.externalId(crmKey);
      const card = toCard(party);

      async function finish(found: Found, created: boolean): Promise<CounterpartyResult> {
        const id = idOf(found.row);
        const changedFields = created ? [] : await update(found, card, mode, externalId);
        const action = created ? 'created' : changedFields.length > 0 ? 'updated' : 'unchanged';
        if (action !== 'unchanged') log.info(`counterparty.${action}`, { counterpartyId: id, changedFields });
        return { id, url: links.counterpartyUrl(id, found.type), action, type: found.type, changedFields };
      }

      const paired = await known(crmKey);
      if (paired) return finish(paired, false);
      const key = `${claimScope}:${card.tin === null ? externalId : `tin:${card.tin}`}`;
      return claims.hold(key, async () => {
        // Whoever held the claim before may have made it.
        const found =
          (await known(crmKey)) ?? choose(await findCandidates(ports, card, externalId), card, externalId);
        const bound = found ?? (await create(card, externalId));
        await pairs.bind(crmKey, { id: idOf(bound.row), type: bound.type });
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

function toValues(card: Card): Record<string, string> {
  return Object.fromEntries(
    Object.entries(card.values).map(([name, value]) => [name, cut(value, LENGTH[name] ?? 250).trim()]),
  );
}
