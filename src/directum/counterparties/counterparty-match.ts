import { shorten, toCode } from '../../lib/text.ts';
import { createGather } from '../../lib/work/gather.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { CounterpartyResult } from '../../robot/ports/directum.ts';
import { listed } from '../directories/listed.ts';
import { allOf, equals, type Filter, oneOf, sameText } from '../odata/filter.ts';
import type { Reader } from '../odata/list-reader.ts';
import type { Metadata } from '../odata/metadata.ts';
import { idOf, type Row, textOf } from '../odata/rows.ts';
import { orAlone } from '../odata/shared-reader.ts';
import { type Card, isInn } from './requisites.ts';

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
  const expand = can.property(leaf, 'Bank') === null ? {} : { expand: { Bank: { select: ['Id'] } } };
  // Name first: `Id` and `Name` are on every card.
  return { set: can.need(leaf), select: ['Id', ...can.having(leaf, READ)], ...expand };
}

/**
 * Candidates of a card by TIN and our own key, on the concrete sets (directum.md B.1: `ICounterparties` refuses on
 * some installations). A card made by a POST that was not answered is found by the key.
 */
export function createCandidates({ reader, metadata }: { reader: Reader; metadata: Metadata }) {
  const byType = { company: gatherOf('company'), bank: gatherOf('bank'), person: gatherOf('person') };

  /** Questions about cards of one type; those of one moment share one, which is wider: whoever asks chooses himself. */
  function gatherOf(type: Found['type']) {
    const leaf = LEAF[type];
    async function ask(wanted: readonly Wanted[], filterOf: (one: Wanted) => Filter[]): Promise<Row[]> {
      const can = await metadata.capabilities();
      if (can.set(leaf) === null && type === 'bank') return [];
      const hasKey = can.property(leaf, 'ExternalId') !== null;
      const alternatives = wanted.flatMap((one) => [
        ...filterOf(one),
        ...(hasKey ? [equals('ExternalId', one.externalId)] : []),
      ]);
      if (alternatives.length === 0) return [];
      const { set, ...query } = await cardQuery(metadata, type);
      return reader.all(set, { ...query, filter: oneOf(alternatives) });
    }
    return createGather<Wanted, Row[]>({
      async one(wanted) {
        const hasTrrc = (await metadata.capabilities()).property(leaf, 'TRRC') !== null;
        return ask([wanted], ({ card }) => (card.ids.length > 0 ? [byTin(card, hasTrrc)] : []));
      },
      async many(all) {
        const rows = await orAlone(ask(all, ({ card }) => card.ids.map(hasTin)));
        return (
          rows &&
          all.map(({ card, externalId }) =>
            rows.filter((row) => row['ExternalId'] === externalId || card.ids.includes(tinOf(row) ?? '')),
          )
        );
      },
      group: (all) => Math.min(all.length, all.slice(0, MOST_CARDS).every(isPlain) ? MOST_CARDS : 1),
    });
  }

  return async function findCandidates(card: Card, externalId: string): Promise<Found[]> {
    const types = card.type === 'person' ? (['person'] as const) : (['company', 'bank'] as const);
    const found: Found[] = [];
    for (const type of types)
      for (const row of await byType[type]({ card, externalId })) {
        if (!found.some((one) => one.row['Id'] === row['Id'])) found.push({ type, row });
      }
    return found;
  };
}

interface Wanted {
  card: Card;
  externalId: string;
}

/** Cards in one question: two comparisons each leave room under 100 nodes and in the start line (directum.md A.5). */
const MOST_CARDS = 5;

/** A Russian card has one short number; the many of a foreign company are asked for alone. */
const isPlain = ({ card }: Wanted): boolean => card.ids.every((id) => !/\D/.test(id)) && card.ids.length < 2;

const hasTin = (id: string): Filter => (/\D/.test(id) ? sameText('TIN', id) : equals('TIN', id));

function byTin(card: Card, hasTrrc: boolean): Filter {
  // Only numbers of other countries have letters, and a person may have typed them in lower case.
  const tin = oneOf(card.ids.map(hasTin));
  if (card.trrc === null || !hasTrrc) return tin;
  return allOf(tin, oneOf([card.trrc, null, ''].map((trrc) => equals('TRRC', trrc))));
}

/**
 * The one of the candidates that is this counterparty; null = a new card (interface.md directum_sync_counterparty):
 * our own key, then TIN and TRRC, then TIN with an empty TRRC; a foreign company by each of its numbers in turn.
 * @throws RobotFailure counterparty_ambiguous, counterparty_closed
 */
export function choose(candidates: readonly Found[], card: Card, externalId: string): Found | null {
  // The key names the CRM record, which may have a branch or a second legal entity among its requisites.
  const own = candidates.filter(({ row }) => row['ExternalId'] === externalId && isCompatible(row, card));
  const byNumber = card.ids.flatMap((id) => {
    const sameTin = candidates.filter(({ row }) => tinOf(row) === id && isCompatible(row, card));
    const of = (trrc: string | null) => sameTin.filter(({ row }) => codeOf(row, 'TRRC') === trrc);
    return card.trrc === null ? [sameTin] : [of(card.trrc), of(null)];
  });
  const pools = [own, ...byNumber];
  const pool = pools.find((one) => one.length > 0) ?? [];
  const active = pool.filter(({ row }) => row['Status'] !== 'Closed');
  if (active.length > 1) throw ambiguous(active, card);
  const only = active[0] ?? pool[0] ?? null;
  if (only) assertOpen(only);
  return only;
}

/** A number of a card without spaces and invisible characters; null when empty. */
const codeOf = (row: Row, property: string): string | null => toCode(textOf(row, property) ?? '') || null;

/** Whether a card can belong to these requisites: no number that both give differs. */
export function isCompatible(row: Row, card: Card): boolean {
  const [tin, trrc] = [tinOf(row), codeOf(row, 'TRRC')];
  if (card.ids.length > 0 && tin !== null && !card.ids.includes(tin)) return false;
  // A number of another country may also be the Russian INN of another company.
  if (card.nonresident && row['Nonresident'] === false && tin !== null && isInn(tin)) return false;
  return card.trrc === null || trrc === null || trrc === card.trrc;
}

const tinOf = (row: Row): string | null => codeOf(row, 'TIN')?.toUpperCase() ?? null;

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
  const tin = clip((found[0] && textOf(found[0].row, 'TIN')) ?? card.tin ?? '—');
  return new RobotFailure('counterparty_ambiguous', {
    ru: `ИНН ${tin} в Directum у нескольких контрагентов: ${ru}. Закройте лишние${card.nonresident ? '' : ' или укажите КПП в реквизитах CRM'}.`,
    en: `Several counterparties of Directum have TIN ${tin}: ${en}. Close the extra ones${card.nonresident ? '' : ' or give the KPP in the CRM requisites'}.`,
  });
}

/** All of them in as much detail as an answer has room for: names, else ids with KPP, else ids alone and how many more. */
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

const clip = (text: string, length = 40): string => shorten(text, length);
