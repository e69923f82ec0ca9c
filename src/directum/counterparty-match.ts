import { RobotFailure } from '../robot/failure.ts';
import type { CounterpartyResult } from '../robot/ports.ts';
import { listed } from './listed.ts';
import type { Metadata } from './metadata.ts';
import type { Filter } from './query.ts';
import type { Reader } from './reader.ts';
import type { Card } from './requisites.ts';
import { idOf, type Row, textOf } from './rows.ts';

/** A counterparty card with the set it lives in. */
export interface Found {
  type: CounterpartyResult['type'];
  row: Row;
}

export const LEAF = { company: 'Company', bank: 'Bank', person: 'Person' } as const;

/** Simple properties that are compared and written, with their lengths (directum.md B.1). */
export const LENGTH: Readonly<Record<string, number>> = {
  Name: 250,
  LegalName: 500,
  LastName: 250,
  FirstName: 250,
  MiddleName: 250,
  TIN: 50,
  TRRC: 50,
  PSRN: 50,
  NCEO: 50,
  NCEA: 500,
  Phones: 250,
  Email: 250,
  Homepage: 250,
  LegalAddress: 500,
  PostalAddress: 500,
  Account: 34,
};

/** Room for the named candidates within the 500 characters of an answer's text. */
const LIST_LENGTH = 320;

const READ = ['Status', 'IsCardReadOnly', 'ExternalId', 'Nonresident', ...Object.keys(LENGTH)];

/** What to ask of a card of one type, without properties this installation lacks. */
export async function cardQuery(metadata: Metadata, type: Found['type']) {
  const can = await metadata.capabilities();
  const leaf = LEAF[type];
  const expand = can.property(leaf, 'Bank') === null ? {} : { expand: { Bank: { select: ['Id'] } } as never };
  // Name first: `Id` and `Name` are on every card.
  return { set: can.need(leaf), select: ['Id', ...can.having(leaf, READ)], ...expand };
}

/**
 * Candidates of a card by TIN and our own key, on the concrete sets (directum.md B.1: `ICounterparties` refuses on
 * some stands). A card that a broken-off POST made is found by the key.
 */
export async function findCandidates(
  { reader, metadata }: { reader: Reader; metadata: Metadata },
  card: Card,
  externalId: string,
): Promise<Found[]> {
  const can = await metadata.capabilities();
  const types = card.type === 'person' ? (['person'] as const) : (['company', 'bank'] as const);
  const found: Found[] = [];
  for (const type of types) {
    const leaf = LEAF[type];
    if (can.set(leaf) === null && type === 'bank') continue;
    const alternatives: Filter[] = [];
    if (card.tin !== null) alternatives.push(byTin(card, can.property(leaf, 'TRRC') !== null));
    if (can.property(leaf, 'ExternalId') !== null) alternatives.push({ ExternalId: externalId });
    if (alternatives.length === 0) continue;
    const { set, ...query } = await cardQuery(metadata, type);
    const rows = await reader.all(set, { ...query, filter: { or: alternatives } });
    for (const row of rows) {
      if (!found.some((one) => one.row['Id'] === row['Id'])) found.push({ type, row });
    }
  }
  return found;
}

function byTin(card: Card, hasTrrc: boolean): Filter {
  if (card.trrc === null || !hasTrrc) return { TIN: card.tin };
  return { and: [{ TIN: card.tin }, { or: [{ TRRC: card.trrc }, { TRRC: null }, { TRRC: '' }] }] };
}

/**
 * The one of the candidates that is this counterparty; null = a new card (interface.md directum_sync_counterparty):
 * our own key, then TIN and TRRC, then TIN with an empty TRRC.
 * @throws RobotFailure counterparty_ambiguous, counterparty_closed
 */
export function choose(candidates: readonly Found[], card: Card, externalId: string): Found | null {
  // The key names the CRM record, which may have a branch or a second legal entity among its requisites.
  const own = candidates.filter(({ row }) => row['ExternalId'] === externalId && isCompatible(row, card));
  const sameTin = candidates.filter(({ row }) => card.tin !== null && textOf(row, 'TIN') === card.tin);
  const exact = sameTin.filter(({ row }) => textOf(row, 'TRRC') === card.trrc);
  const open = sameTin.filter(({ row }) => textOf(row, 'TRRC') === null);
  const pools = card.trrc === null ? [own, sameTin] : [own, exact, open];
  const pool = pools.find((one) => one.length > 0) ?? [];
  const active = pool.filter(({ row }) => row['Status'] !== 'Closed');
  if (active.length > 1) throw ambiguous(active, card);
  const only = active[0] ?? pool[0] ?? null;
  if (only) assertOpen(only);
  return only;
}

/** Whether a card may be the one of these requisites: nothing that both name differs. */
export function isCompatible(row: Row, card: Card): boolean {
  const [tin, trrc] = [textOf(row, 'TIN'), textOf(row, 'TRRC')];
  if (card.tin !== null && tin !== null && tin !== card.tin) return false;
  return card.trrc === null || trrc === null || trrc === card.trrc;
}

/** @throws RobotFailure counterparty_closed */
export function assertOpen({ row }: Found): void {
  if (row['Status'] !== 'Closed') return;
  const name = `«${clip(textOf(row, 'Name') ?? '')}» (ИД ${idOf(row)})`;
  throw new RobotFailure('counterparty_closed', {
    ru: `Контрагент ${name} в Directum закрыт. Откройте его карточку или исправьте реквизиты в CRM.`,
    en: `The counterparty ${name.replace('ИД', 'id')} is closed in Directum. Open its card again or mend the requisites in CRM.`,
  });
}

function ambiguous(found: readonly Found[], card: Card): RobotFailure {
  const { ru, en } = named(found);
  return new RobotFailure('counterparty_ambiguous', {
    ru: `ИНН ${clip(card.tin ?? '—')} в Directum у нескольких контрагентов: ${ru}. Закройте лишние или укажите КПП в реквизитах CRM.`,
    en: `Several counterparties of Directum have TIN ${clip(card.tin ?? '—')}: ${en}. Close the extra ones or give the KPP in the CRM requisites.`,
  });
}

/** All of them, in as many words as an answer has room for: names, else ids with KPP, else ids alone and how many more. */
function named(found: readonly Found[]): { ru: string; en: string } {
  const list = found.map(({ row }) => {
    const trrc = textOf(row, 'TRRC');
    return { name: textOf(row, 'Name') ?? '', id: idOf(row), trrc: trrc === null ? null : clip(trrc, 12) };
  });
  for (const length of [40, 20, 0]) {
    const name = (text: string) => (length === 0 ? '' : `«${clip(text, length)}» `);
    const ru = list.map((one) => `${name(one.name)}(ИД ${one.id}, КПП ${one.trrc ?? 'нет'})`).join(', ');
    const en = list.map((one) => `${name(one.name)}(id ${one.id}, TRRC ${one.trrc ?? 'none'})`).join(', ');
    if (ru.length <= LIST_LENGTH && en.length <= LIST_LENGTH) return { ru, en };
  }
  const ids = listed(
    list.map(({ id }) => String(id)),
    LIST_LENGTH - 4,
  );
  return { ru: `ИД ${ids.ru}`, en: `ids ${ids.en}` };
}

function clip(text: string, length = 40): string {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length - 1).join('')}…` : text;
}
