import { knowing } from '../../robot/failure.ts';
import type { CounterpartyLinksPort } from '../../robot/ports/counterparty-links.ts';
import type { CounterpartyResult, DirectumPort } from '../../robot/ports/directum.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Party } from '../../robot/ports/portal.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { idOf, textOf } from '../odata/rows.ts';
import { assertReadable } from '../odata/visibility.ts';
import { createCards } from './counterparty-cards.ts';
import {
  assertOpen,
  cardQuery,
  choose,
  type createCandidates,
  type Found,
  isCompatible,
} from './counterparty-match.ts';
import { type Card, toCard, wrongRequisites } from './requisites.ts';

const MOST_OTHERS = 8;
const COUNTERPARTIES = { ru: 'контрагентов', en: 'counterparties' };

interface Ports extends DirectumContext {
  transport: Transport;
  links: Links;
  counterpartyLinks: CounterpartyLinksPort;
  locks: LocksPort;
  /** Prefix of the locks on counterparties: one installation of Directum, whatever the portal. */
  lockScope: string;
  /** Shared by all runs. */
  findCandidates: ReturnType<typeof createCandidates>;
  log: Log;
}

/** Counterparties of CRM companies and contacts (interface.md directum_sync_counterparty; directum.md B.1, B.2, J.4). */
export function createCounterparties(ports: Ports): DirectumPort['counterparties'] {
  const { reader, metadata, links, counterpartyLinks, locks, lockScope, findCandidates, log } = ports;
  const cards = createCards(ports);

  /** The card that our link of this key leads to; the link to a deleted card is released, unless nothing may be written. */
  async function linked(crmKey: string, isCheck: boolean): Promise<Found | null> {
    const link = await counterpartyLinks.find(crmKey);
    if (!link) return null;
    const { set, ...query } = await cardQuery(metadata, link.type);
    const row = await reader.one(set, link.id, query);
    if (!row) {
      // With lost rights taken for a deletion, a second card of the same company would be made.
      await assertReadable(
        reader,
        set,
        await counterpartyLinks.others(link.type, link.id, MOST_OTHERS),
        COUNTERPARTIES,
      );
      log.info('counterparty.gone', { counterpartyId: link.id });
      if (!isCheck) await counterpartyLinks.release(crmKey);
      return null;
    }
    return { type: link.type, row };
  }

  /**
   * The card of the requisites, whatever has become of their numbers; else that of the CRM record, unless these
   * requisites name somebody else: a deal may choose a branch, or another legal entity of one company.
   */
  async function known(party: Party, card: Card, isCheck = false): Promise<Found | null> {
    const own = toRequisiteKey(party, card);
    const bare = toCrmKey(party);
    let found = own === bare ? null : await linked(own, isCheck);
    if (found === null) {
      found = await linked(bare, isCheck);
      if (found && own !== bare && !isCompatible(found.row, card)) return null;
    }
    if (found) assertOpen(found);
    return found;
  }

  /** Remembers the card for the requisites, and for the CRM record when it has none yet. */
  async function remember(
    party: Party,
    card: Card,
    counterparty: { id: number; type: Found['type']; made?: boolean },
  ) {
    const own = toRequisiteKey(party, card);
    const bare = toCrmKey(party);
    for (const key of new Set([own, bare])) {
      const kept = await counterpartyLinks.find(key);
      if (kept?.id === counterparty.id || (key === bare && own !== bare && kept)) continue;
      await counterpartyLinks.bind(key, counterparty);
    }
  }

  /** Locks all keys; the caller sorts them, so that two runs never wait for each other. */
  function holdAll<T>([key, ...others]: string[], work: () => Promise<T>): Promise<T> {
    return key === undefined ? work() : locks.hold(key, () => holdAll(others, work));
  }

  return {
    async check(party, mode) {
      const wrong = wrongRequisites(party);
      if (wrong.length > 0) return { wrong, found: null, values: {} };
      const externalId = counterpartyLinks.externalId(toCrmKey(party));
      const card = toCard(party);
      const found =
        (await known(party, card, true)) ?? choose(await findCandidates(card, externalId), card, externalId);
      const values = toTexts(await cards.valuesOf(card, found, mode), card);
      if (found === null) return { wrong, found, values };
      const id = idOf(found.row);
      const name = textOf(found.row, 'Name') ?? '';
      return { wrong, found: { id, name, url: links.counterpartyUrl(id), type: found.type }, values };
    },

    async sync(party, mode) {
      const crmKey = toCrmKey(party);
      const externalId = counterpartyLinks.externalId(crmKey);
      const card = toCard(party);

      async function finish(found: Found, created: boolean): Promise<CounterpartyResult> {
        const id = idOf(found.row);
        const url = links.counterpartyUrl(id);
        const known = { counterparty_id: id, counterparty_url: url, counterparty_type: found.type };
        const changing = (names: string[]) => counterpartyLinks.changing(id, names);
        const changedFields = created
          ? []
          : await knowing(known, () => cards.update(found, card, mode, externalId, changing));
        // Also where nothing differs any more: the attempt that wrote it may have ended with its process.
        if (!created && mode !== 'none') await counterpartyLinks.changed(id);
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
      const keys = (numbers.length === 0 ? [externalId] : numbers).map((name) => `${lockScope}:${name}`);
      return holdAll(keys, async () => {
        // Whoever held the lock before may have made it.
        const found =
          (await known(party, card)) ?? choose(await findCandidates(card, externalId), card, externalId);
        if (found === null) await counterpartyLinks.making(crmKey);
        const bound = found ?? (await cards.create(card, externalId));
        const made = bound.row['ExternalId'] === externalId || found === null;
        await remember(party, card, { id: idOf(bound.row), type: bound.type, made });
        // Written while the lock is held: a KPP filled in here decides what the next holder finds.
        return finish(bound, found === null);
      });
    },
  };
}

/** Values as people read them; a bank goes by its BIC. */
function toTexts(values: Record<string, unknown>, { bankBic }: Card): Record<string, string> {
  const { Bank, Nonresident, ...texts } = values;
  return {
    ...(texts as Record<string, string>),
    ...(Bank !== undefined && { Bank: bankBic ?? '' }),
    ...(Nonresident === true && { Nonresident: 'Y' }),
  };
}

/** Our name of a CRM record: `COMPANY_44`, `CONTACT_8`. */
function toCrmKey(party: Pick<Party, 'kind' | 'id'>): string {
  return `${party.kind.toUpperCase()}_${party.id}`;
}

/** `COMPANY_44:7` for the requisites with an INN; a record without one is one counterparty. */
function toRequisiteKey(party: Party, card: Card): string {
  const bare = toCrmKey(party);
  return card.tin === null || !party.requisite ? bare : `${bare}:${party.requisite.id}`;
}
