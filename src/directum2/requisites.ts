import { RobotFailure } from '../robot/failure.ts';
import type { Party, Requisite } from '../robot/ports.ts';

/** Country code of Russia in Bitrix24 (bitrix24.md F4). */
const RUSSIA = 1;

/** Control digits of an INN: 10 digits of a company, 12 of a person (directum.md B.1). */
export function isInn(text: string): boolean {
  if (!/^(\d{10}|\d{12})$/.test(text) || text.startsWith('00')) return false;
  const digits = [...text].map(Number);
  const control = (weights: number[]) =>
    (weights.reduce((sum, weight, index) => sum + weight * (digits[index] as number), 0) % 11) % 10;
  if (text.length === 10) return control([2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[9];
  return (
    control([7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[10] &&
    control([3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) === digits[11]
  );
}

/** What a CRM record is to Directum (interface.md, directum_sync_counterparty). */
export interface Identity {
  kind: 'company' | 'person';
  resident: boolean;
  inn: string | null;
  kpp: string | null;
}

/**
 * Reads and checks who the party is.
 * @throws RobotFailure requisites_invalid naming the field
 */
export function identify(party: Party): Identity {
  const requisite = party.requisite;
  const resident = requisite?.countryId == null || requisite.countryId === RUSSIA;
  const inn = requisite?.inn ?? null;
  const kpp = requisite?.kpp ?? null;
  const proprietor = party.kind === 'contact' && inn?.length === 12 && Boolean(requisite?.ogrnip);
  const kind = party.kind === 'company' || proprietor ? 'company' : 'person';
  if (!resident) return { kind, resident, inn, kpp };
  if (kind === 'company' && inn === null) throw invalid(party, 'ИНН', 'TIN (ИНН)', 'не заполнен', 'is empty');
  if (inn !== null && !isInn(inn))
    throw invalid(
      party,
      'ИНН',
      'TIN (ИНН)',
      `«${inn}» не проходит проверку контрольных цифр`,
      `«${inn}» fails the check digits`,
    );
  if (kind === 'person' && inn !== null && inn.length !== 12)
    throw invalid(
      party,
      'ИНН',
      'TIN (ИНН)',
      'у физического лица должен быть из 12 цифр',
      'of a person must have 12 digits',
    );
  if (kind === 'company' && kpp !== null && !/^\d{4}[\dA-Z]{2}\d{3}$/.test(kpp))
    throw invalid(
      party,
      'КПП',
      'TRRC (КПП)',
      `«${kpp}» должен состоять из 9 знаков`,
      `«${kpp}» must have 9 characters`,
    );
  return { kind, resident, inn, kpp: kind === 'company' && inn?.length !== 12 ? kpp : null };
}

export function invalid(party: Party, ru: string, en: string, whyRu: string, whyEn: string): RobotFailure {
  return new RobotFailure('requisites_invalid', {
    ru: `Реквизиты «${party.name}»: поле «${ru}» ${whyRu}. Исправьте реквизиты в CRM.`,
    en: `Requisites of «${party.name}»: the field «${en}» ${whyEn}. Mend the requisites in the CRM.`,
  });
}

/** Properties of a counterparty card that CRM knows, cut to Directum's lengths (directum.md B.1); null is unknown. */
export function toCard(party: Party, identity: Identity): Record<string, string | boolean | null> {
  const requisite = party.requisite;
  const common = {
    TIN: identity.inn,
    PSRN: fits(requisite?.ogrn ?? requisite?.ogrnip ?? null, identity, /^(\d{13}|\d{15})$/),
    NCEO: fits(requisite?.okpo ?? null, identity, /^(\d{8}|\d{10}|\d{14})$/),
    NCEA: cut(requisite?.okved ?? null, 500),
    Phones: cut(party.phones.join(', '), 250),
    Email: cut(party.emails.join(', '), 250),
    Homepage: cut(party.webs[0] ?? null, 250),
    LegalAddress: cut(requisite?.legalAddress ?? null, 500),
    PostalAddress: cut(requisite?.postalAddress ?? null, 500),
    Account: cut(requisite?.bank?.account ?? null, 34),
  };
  if (identity.kind === 'person') {
    return {
      LastName: cut(requisite?.lastName ?? party.lastName, 250),
      FirstName: cut(requisite?.firstName ?? party.firstName, 250),
      MiddleName: cut(requisite?.secondName ?? party.secondName, 250),
      ...common,
    };
  }
  const proprietor =
    party.kind === 'contact' || identity.inn?.length === 12 ? proprietorName(party, requisite) : null;
  return {
    Name: cut(requisite?.companyName ?? proprietor ?? party.name, 250),
    LegalName: cut(requisite?.companyFullName ?? proprietor ?? requisite?.companyName ?? null, 500),
    ...common,
    TRRC: identity.kpp,
  };
}

function proprietorName(party: Party, requisite: Requisite | null): string | null {
  const names = [
    requisite?.lastName ?? party.lastName,
    requisite?.firstName ?? party.firstName,
    requisite?.secondName ?? party.secondName,
  ].filter(Boolean);
  return names.length > 0 ? `ИП ${names.join(' ')}` : null;
}

function fits(text: string | null, identity: Identity, pattern: RegExp): string | null {
  return text !== null && (!identity.resident || pattern.test(text)) ? text : null;
}

function cut(text: string | null, length: number): string | null {
  const trimmed = text?.trim() ?? '';
  return trimmed === '' ? null : [...trimmed].slice(0, length).join('');
}
