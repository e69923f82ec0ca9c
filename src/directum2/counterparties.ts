import { RobotFailure } from '../robot/failure.ts';
import type { ClaimsPort, CounterpartyResult, PairsPort, Party, UpdateMode } from '../robot/ports.ts';
import type { Links } from './links.ts';
import type { Capabilities } from './metadata.ts';
import { literal, toQuery } from './query.ts';
import { isRecord } from './refusal.ts';
import { type Identity, identify, invalid, toCard } from './requisites.ts';
import type { Transport } from './transport.ts';

type Type = CounterpartyResult['type'];
type Card = Record<string, unknown> & { type: Type };

const SETS: Record<Type, string> = { company: 'ICompanies', bank: 'IBanks', person: 'IPersons' };
const LEAVES: Record<Type, string> = { company: 'Company', bank: 'Bank', person: 'Person' };

export interface CounterpartyPorts {
  transport: Transport;
  capabilities(): Promise<Capabilities>;
  links: Links;
  pairs: PairsPort;
  claims: ClaimsPort;
}

/** Finds, makes and updates counterparty cards (interface.md, directum_sync_counterparty; directum.md B.1, B.2). */
export function createCounterparties({ transport, capabilities, links, pairs, claims }: CounterpartyPorts) {
  const hasExternalId = async (type: Type) =>
    'ExternalId' in ((await capabilities()).types[LEAVES[type]] ?? {});

  async function read(type: Type, filter: string): Promise<Card[]> {
    const known = (await capabilities()).types[LEAVES[type]] ?? {};
    const wanted = ['Id', 'Name', 'Status', 'TIN', 'TRRC', 'ExternalId', 'IsCardReadOnly'].filter(
      (name) => name in known || name === 'Id',
    );
    const rows = await transport.rows(
      `${SETS[type]}${toQuery({ filter, select: wanted, orderBy: 'Id', top: 20 })}`,
    );
    return rows.map((row) => ({ ...row, type }));
  }

  async function search(identity: Identity, filter: (type: Type) => Promise<string | null>): Promise<Card[]> {
    const types: Type[] = identity.kind === 'person' ? ['person'] : ['company', 'bank'];
    const found = await Promise.all(
      types.map(async (type) => {
        const text = await filter(type);
        return text === null ? [] : read(type, text);
      }),
    );
    return found.flat();
  }

  /** INN+KPP, else INN with empty KPP; without our KPP any with the INN. Other KPPs only: a new branch card. */
  async function matchByInn(identity: Identity): Promise<Card | null> {
    if (identity.inn === null) return null;
    const all = await search(identity, async () => `TIN eq ${literal(identity.inn as string)}`);
    const exact = all.filter((card) => (card['TRRC'] ?? '') === identity.kpp);
    const empty = all.filter((card) => (card['TRRC'] ?? '') === '');
    const candidates = identity.kpp === null ? all : exact.length > 0 ? exact : empty;
    const active = candidates.filter((card) => card['Status'] !== 'Closed');
    if (candidates.length > 0 && active.length === 0) throw closed(candidates[0] as Card);
    if (active.length > 1) throw ambiguous(active);
    return active[0] ?? null;
  }

  async function matchByKey(identity: Identity, key: string): Promise<Card | null> {
    const found = await search(identity, async (type) =>
      (await hasExternalId(type)) ? `ExternalId eq ${literal(key)}` : null,
    );
    if (found[0]?.['Status'] === 'Closed') throw closed(found[0]);
    return found[0] ?? null;
  }

  /** The card of our own record, if it is still there and still that company. */
  async function known(party: Party, crmKey: string, identity: Identity): Promise<Card | null> {
    const pair = await pairs.find(crmKey);
    if (!pair) return null;
    const row = await transport.one(
      `${SETS[pair.type]}(${pair.id})${toQuery({ select: await cardProperties(pair.type) })}`,
    );
    const card: Card | null = row && { ...row, type: pair.type };
    const changedInn = card && identity.inn !== null && card['TIN'] && card['TIN'] !== identity.inn;
    if (!card || changedInn) {
      await pairs.release(crmKey);
      return null;
    }
    if (card['Status'] === 'Closed') throw closed(card);
    void party;
    return card;
  }

  async function cardProperties(type: Type): Promise<string[]> {
    const names = (await capabilities()).types[LEAVES[type]] ?? {};
    const all = [
      'Id',
      'Name',
      'LegalName',
      'TIN',
      'TRRC',
      'PSRN',
      'NCEO',
      'NCEA',
      'Phones',
      'Email',
      'Homepage',
      'LegalAddress',
      'PostalAddress',
      'Account',
      'LastName',
      'FirstName',
      'MiddleName',
      'Status',
      'ExternalId',
      'IsCardReadOnly',
      'Nonresident',
    ];
    return all.filter((name) => name in names);
  }

  async function create(party: Party, identity: Identity, key: string): Promise<Card> {
    const type: Type = identity.kind;
    const properties = (await capabilities()).types[LEAVES[type]] ?? {};
    const values = toCard(party, identity);
    if (type === 'person') {
      if (!values['LastName']) throw invalid(party, 'Фамилия', 'Last name', 'не заполнено', 'is empty');
      if (!values['FirstName']) throw invalid(party, 'Имя', 'First name', 'не заполнено', 'is empty');
    }
    const filled = Object.entries(values).filter(([name, value]) => value !== null && name in properties);
    const bank = await bankByBic(party);
    const body = {
      ...Object.fromEntries(filled),
      Status: 'Active',
      ...(!identity.resident && { Nonresident: true }),
      ...(bank !== null && { Bank: { Id: bank } }),
      ...((await hasExternalId(type)) && { ExternalId: key }),
    };
    try {
      const made = await transport.write('POST', SETS[type], body);
      if (made && Number.isSafeInteger(made['Id'])) return { ...made, type };
    } catch (error) {
      // The card may have been made although the answer was lost (directum.md J.6).
      if (!(error instanceof RobotFailure && error.code === 'directum_unavailable')) throw error;
      const found = await refind(identity, key);
      if (found) return found;
      throw error;
    }
    const found = await refind(identity, key);
    if (!found) throw new Error('Directum made a counterparty and does not show it');
    return found;
  }

  const refind = async (identity: Identity, key: string) =>
    (await matchByKey(identity, key)) ?? (await matchByInn(identity));

  /** A bank is found by its BIC and never made: its other requisites are not ours to invent. */
  async function bankByBic(party: Party): Promise<number | null> {
    const bic = party.requisite?.bank?.bik;
    if (!bic || !/^\d{9}$/.test(bic)) return null;
    const rows = await transport.rows(
      `IBanks${toQuery({ filter: `BIC eq ${literal(bic)} and Status eq 'Active'`, select: ['Id'], orderBy: 'Id', top: 2 })}`,
    );
    return rows.length === 1 ? Number(rows[0]?.['Id']) : null;
  }

  /** Writes what differs and answers the names; our key goes along where the card has none. */
  async function update(
    card: Card,
    party: Party,
    identity: Identity,
    mode: UpdateMode,
    key: string,
  ): Promise<string[]> {
    if (card['IsCardReadOnly'] === true) return [];
    const id = Number(card['Id']);
    const names = await cardProperties(card.type);
    const current =
      mode === 'none' || 'Phones' in card
        ? card
        : await transport.one(`${SETS[card.type]}(${id})${toQuery({ select: names })}`);
    if (!current) return [];
    const changes: Record<string, unknown> = {};
    if (mode !== 'none') {
      for (const [name, value] of Object.entries(toCard(party, identity))) {
        if (value === null || !names.includes(name)) continue;
        const old = typeof current[name] === 'string' ? current[name].trim() : '';
        if (old === '' || (mode === 'overwrite' && old !== value)) changes[name] = value;
      }
      if (
        mode === 'overwrite' &&
        !identity.resident &&
        current['Nonresident'] !== true &&
        names.includes('Nonresident')
      )
        changes['Nonresident'] = true;
      if ('Account' in changes) {
        const bank = await bankByBic(party);
        if (bank !== null) changes['Bank'] = { Id: bank };
      }
    }
    const changedFields = Object.keys(changes);
    if (names.includes('ExternalId') && !current['ExternalId']) {
      if (changedFields.length > 0) changes['ExternalId'] = key;
    }
    if (Object.keys(changes).length > 0) await transport.write('PATCH', `${SETS[card.type]}(${id})`, changes);
    return changedFields;
  }

  return {
    async sync(party: Party, mode: UpdateMode): Promise<CounterpartyResult> {
      const identity = identify(party);
      const crmKey = `${party.kind.toUpperCase()}_${party.id}`;
      const key = pairs.externalId(crmKey);
      const find = async () => (await known(party, crmKey, identity)) ?? null;

      let card = await find();
      let created = false;
      if (!card) {
        // One at a time per INN, or per CRM record without one: a hundred deals of a new company start at once.
        const claim = identity.inn === null ? `counterparty:${key}` : `counterparty:inn:${identity.inn}`;
        card = await claims.hold(claim, async () => {
          const found = (await find()) ?? (await matchByKey(identity, key)) ?? (await matchByInn(identity));
          const made = found ?? (await create(party, identity, key));
          created = found === null;
          await pairs.bind(crmKey, { id: Number(made['Id']), type: made.type });
          return made;
        });
      }
      const id = Number(card['Id']);
      const changedFields = created ? [] : await update(card, party, identity, mode, key);
      return {
        id,
        url: links.counterparty(id, card.type),
        action: created ? 'created' : changedFields.length > 0 ? 'updated' : 'unchanged',
        type: card.type,
        changedFields,
      };
    },
  };
}

function describe(card: Card): string {
  const kpp = card['TRRC'] ? `, КПП ${card['TRRC']}` : '';
  return `${isRecord(card) ? card['Name'] : ''} (${card['Id']}${kpp})`;
}

function ambiguous(cards: Card[]): RobotFailure {
  const list = cards.map(describe).join('; ');
  return new RobotFailure('counterparty_ambiguous', {
    ru: `В Directum несколько контрагентов с этим ИНН: ${list}. Оставьте одного действующим или уточните КПП в реквизитах.`,
    en: `Directum has several counterparties with this TIN: ${list}. Leave one active, or give the TRRC (КПП) in the requisites.`,
  });
}

function closed(card: Card): RobotFailure {
  return new RobotFailure('counterparty_closed', {
    ru: `Контрагент ${describe(card)} в Directum закрыт. Сделайте карточку действующей или выберите другого клиента.`,
    en: `The counterparty ${describe(card)} is closed in Directum. Make the card active or choose another customer.`,
  });
}
