import { compact, shorten, toVisible } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { Party, Requisite } from '../../robot/ports/portal.ts';

const RUSSIA = 1;
/** Titles of CRM fields that a text names. */
const FIELD = {
  inn: { ru: 'ИНН', en: 'INN' },
  kpp: { ru: 'КПП', en: 'KPP' },
  ogrn: { ru: 'ОГРН', en: 'OGRN' },
  ogrnip: { ru: 'ОГРНИП', en: 'OGRNIP' },
  name: { ru: 'Название', en: 'Name' },
  lastName: { ru: 'Фамилия', en: 'Last name' },
  firstName: { ru: 'Имя', en: 'First name' },
  preset: { ru: 'Шаблон реквизитов', en: 'Requisites template' },
} satisfies Record<string, LocalText>;
/** Lengths of `Phones` and `TIN` (directum.md B.1). */
const PHONES = 250;
const TIN = 50;

/** A CRM company or contact in the terms of a Directum counterparty card. */
export interface Card {
  type: 'company' | 'person';
  nonresident: boolean;
  /** Every number it may be found by; the first is its TIN. A foreign company has several, a Russian one its INN. */
  ids: string[];
  tin: string | null;
  trrc: string | null;
  /** Simple properties by their Directum name; only those with a value. */
  values: Record<string, string>;
  bankBic: string | null;
}

/** Check digits of a Russian INN of 10 or 12 digits. */
export function isInn(text: string): boolean {
  if (!/^\d+$/.test(text) || text.startsWith('00')) return false;
  const digits = [...text].map(Number);
  const sum = (weights: readonly number[]) =>
    (weights.reduce((total, weight, index) => total + weight * (digits[index] ?? 0), 0) % 11) % 10;
  if (digits.length === 10) return sum([2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[9];
  if (digits.length !== 12) return false;
  return (
    sum([7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[10] &&
    sum([3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[11]
  );
}

/** Check digit of an OGRN (13 digits) or OGRNIP (15). */
export function isOgrn(text: string): boolean {
  if (!/^(\d{13}|\d{15})$/.test(text)) return false;
  const body = text.slice(0, -1);
  return Number((BigInt(body) % BigInt(body.length - 1)) % 10n) === Number(text.at(-1));
}

/** Format of a KPP: it has no check digit. */
export function isKpp(text: string): boolean {
  return /^\d{4}[\dA-Z]{2}\d{3}$/.test(text);
}

/**
 * Whether requisites are Russian (interface.md directum_sync_counterparty): by the country of their preset; where it
 * cannot be read, by what is filled, then by the country of the bank account, which is the preset's (bitrix24.md G4).
 * Requisites without any number count as none. Null when nothing shows the country.
 */
function isRussian(requisite: Requisite | null): boolean | null {
  if (requisite === null) return true;
  if (requisite.countryId !== null) return requisite.countryId === RUSSIA;
  const { inn, kpp, ogrn, ogrnip } = requisite;
  const foreign = requisite.foreignIds.some((number) => number !== inn);
  const russian = [kpp, ogrn, ogrnip].some((number) => number !== null);
  if (foreign !== russian) return russian;
  const bankCountry = requisite.bank?.countryId ?? null;
  if (bankCountry !== null) return bankCountry === RUSSIA;
  if (foreign) return null;
  return inn === null || isInn(compact(inn) ?? '') ? true : null;
}

/** The numbers of a foreign company or person; letters count without case. */
function toForeignIds({ foreignIds, inn }: Requisite): string[] {
  const numbers = [...foreignIds, inn].flatMap((number) => compact(number)?.toUpperCase() ?? []);
  return [...new Set(numbers)].filter((number) => number.length <= TIN);
}

/** Takes what is wrong with requisites: it throws, or collects all of it. */
type Report = (failure: RobotFailure) => void;

const refuse: Report = (failure) => {
  throw failure;
};

/** Everything that is wrong with the requisites of a party; empty when it can have a card. */
export function wrongRequisites(party: Party): RobotFailure[] {
  const found: RobotFailure[] = [];
  toCard(party, (failure) => found.push(failure));
  return found;
}

/**
 * Classifies and checks a party (interface.md directum_sync_counterparty; directum.md B.1, J.4).
 * @throws RobotFailure requisites_invalid
 */
export function toCard(party: Party, report: Report = refuse): Card {
  const requisite = party.requisite;
  const russian = isRussian(requisite);
  if (russian === null) {
    tell(report, party, FIELD.preset, {
      ru: 'удалён или недоступен, а по самим реквизитам страна не видна',
      en: 'is deleted or cannot be read, and the requisites themselves do not tell the country',
    });
  }
  const nonresident = !russian;
  const inn = compact(requisite?.inn);
  const ogrnip = compact(requisite?.ogrnip);
  const proprietor = inn?.length === 12 && ogrnip !== null;
  const type = party.kind === 'company' || proprietor ? 'company' : 'person';
  // A sole proprietor has no KPP; one typed in by mistake must not make a branch card.
  const hasKpp = type === 'company' && (nonresident || inn?.length !== 12);
  const kpp = hasKpp ? (compact(requisite?.kpp)?.toUpperCase() ?? null) : null;
  const ogrn = compact(requisite?.ogrn) ?? ogrnip;
  if (!nonresident) checkRussian(party, { type, inn, kpp, ogrn }, report);

  const values: Record<string, string | null> =
    type === 'person' ? personNames(party, report) : companyNames(party, proprietor, report);
  const okpo = compact(requisite?.okpo);
  const ids = nonresident && requisite ? toForeignIds(requisite) : inn === null ? [] : [inn];
  Object.assign(values, {
    TIN: ids[0] ?? null,
    TRRC: kpp,
    PSRN: type === 'company' ? ogrn : null,
    NCEO: okpo !== null && (nonresident || /^(\d{8}|\d{10}|\d{14})$/.test(okpo)) ? okpo : null,
    NCEA: requisite?.okved ?? null,
    Phones: whole(party.phones),
    Email: compact(party.emails[0]),
    Homepage: party.webs[0] ?? null,
    LegalAddress: requisite?.legalAddress ?? null,
    PostalAddress: requisite?.postalAddress ?? null,
    Account: compact(requisite?.bank?.account),
  });
  const present = Object.entries(values).filter((entry): entry is [string, string] =>
    Boolean(entry[1]?.trim()),
  );
  return {
    type,
    nonresident,
    ids,
    tin: values['TIN'] ?? null,
    trrc: values['TRRC'] ?? null,
    values: Object.fromEntries(present.map(([name, value]) => [name, value.trim()])),
    bankBic: compact(requisite?.bank?.bik),
  };
}

function checkRussian(
  party: Party,
  given: { type: Card['type']; inn: string | null; kpp: string | null; ogrn: string | null },
  report: Report,
): void {
  const { type, inn, kpp, ogrn } = given;
  if (inn === null && type === 'company') {
    tell(report, party, FIELD.inn, { ru: 'не указан', en: 'is not given' });
  }
  if (inn !== null && !isInn(inn)) {
    tell(report, party, FIELD.inn, { ru: `неверный: «${clip(inn)}»`, en: `is wrong: «${clip(inn)}»` });
  }
  if (type === 'person' && inn !== null && isInn(inn) && inn.length !== 12) {
    tell(report, party, FIELD.inn, {
      ru: 'у физического лица должен быть из 12 цифр',
      en: 'of a person must have 12 digits',
    });
  }
  if (kpp !== null && !isKpp(kpp)) {
    tell(report, party, FIELD.kpp, { ru: `неверный: «${clip(kpp)}»`, en: `is wrong: «${clip(kpp)}»` });
  }
  if (type === 'company' && ogrn !== null && !isOgrn(ogrn)) {
    tell(report, party, ogrn.length === 15 ? FIELD.ogrnip : FIELD.ogrn, {
      ru: `неверный: «${clip(ogrn)}»`,
      en: `is wrong: «${clip(ogrn)}»`,
    });
  }
}

function companyNames(party: Party, proprietor: boolean, report: Report): Record<string, string | null> {
  const requisite = party.requisite;
  const person = fullName(party);
  const built = party.kind === 'contact' || proprietor ? person && `ИП ${person}` : null;
  const title = party.kind === 'contact' ? built : party.name;
  const names = [requisite?.companyName, title, requisite?.companyFullName, built];
  const name = names.find((text) => text && toVisible(text) !== '');
  if (!name) {
    tell(report, party, FIELD.name, {
      ru: 'не указано ни в карточке, ни в реквизитах',
      en: 'is given neither in the card nor in the requisites',
    });
  }
  return { Name: name ?? null, LegalName: requisite?.companyFullName ?? null };
}

function personNames(party: Party, report: Report): Record<string, string | null> {
  const requisite = party.requisite;
  const LastName = requisite?.lastName ?? party.lastName;
  const FirstName = requisite?.firstName ?? party.firstName;
  if (!LastName?.trim()) tell(report, party, FIELD.lastName, { ru: 'не указана', en: 'is not given' });
  if (!FirstName?.trim()) tell(report, party, FIELD.firstName, { ru: 'не указано', en: 'is not given' });
  return {
    LastName: LastName ?? null,
    FirstName: FirstName ?? null,
    MiddleName: requisite?.secondName ?? party.secondName,
  };
}

function fullName(party: Party): string {
  const requisite = party.requisite;
  return [
    requisite?.lastName ?? party.lastName,
    requisite?.firstName ?? party.firstName,
    requisite?.secondName ?? party.secondName,
  ]
    .filter(Boolean)
    .join(' ');
}

/** Names a CRM record as its user sees it. */
function tell(report: Report, party: Party, field: LocalText, what: LocalText): void {
  // Only here a record without a name goes by its code.
  const name = clip(party.name || `${party.kind.toUpperCase()}_${party.id}`);
  const failure = new RobotFailure('requisites_invalid', {
    ru: `«${field.ru}» ${what.ru} (${party.kind === 'company' ? 'компания' : 'контакт'} «${name}»). Исправьте реквизиты в CRM и запустите робота снова.`,
    en: `«${field.en}» ${what.en} (${party.kind} «${name}»). Mend the requisites in CRM and run the robot again.`,
  });
  report(failure);
}

const clip = (text: string): string => shorten(text, 80);

/** As many phones as fit the property whole: a cut number is a wrong one. */
function whole(phones: readonly string[]): string {
  let text = '';
  for (const phone of phones) {
    const longer = text === '' ? phone : `${text}, ${phone}`;
    if (longer.length <= PHONES) text = longer;
  }
  return text;
}
