import { bad } from './refusal.ts';
import type { Entity, Store } from './store.ts';

const weights = {
  ten: [2, 4, 10, 3, 5, 9, 4, 6, 8],
  eleven: [7, 2, 4, 10, 3, 5, 9, 4, 6, 8],
  twelve: [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8],
};
const control = (digits: string, by: number[]) =>
  (by.reduce((sum, w, at) => sum + w * Number(digits[at]), 0) % 11) % 10;

export function tinTrouble(tin: string, person: boolean): string | null {
  if (!/^\d+$/.test(tin)) return 'ИНН должен состоять только из цифр.';
  if (person ? tin.length !== 12 : tin.length !== 10 && tin.length !== 12)
    return person ? 'ИНН должен состоять из 12 цифр.' : 'ИНН должен состоять из 10 или 12 цифр.';
  if (tin.startsWith('00')) return 'ИНН не может начинаться с 00.';
  const right =
    tin.length === 10
      ? control(tin, weights.ten) === Number(tin[9])
      : control(tin, weights.eleven) === Number(tin[10]) && control(tin, weights.twelve) === Number(tin[11]);
  return right ? null : 'ИНН не соответствует контрольной сумме.';
}

/** BeforeSave of counterparties (contract B.1). Duplicates by TIN are nobody's business here: only the card form checks them. */
export function saveCounterparty(entity: Entity, before: Entity | null): void {
  const person = entity.$type === 'Person';
  if (before?.IsCardReadOnly === true) throw bad('Нет прав на изменение карточки контрагента.');
  if (person) {
    const given = [entity.LastName, entity.FirstName, entity.MiddleName].filter(Boolean);
    if (entity.LastName && entity.FirstName) entity.Name = given.join(' ');
    entity.ShortName = given
      .map((part, at) => (at === 0 ? `${part} ` : `${part[0]}.`))
      .join('')
      .trim();
  }
  if (typeof entity.Code === 'string') {
    entity.Code = entity.Code.trim();
    if (/\s/.test(entity.Code)) throw bad('Код не должен содержать пробелы.');
  }
  entity.Nonresident ??= false;
  entity.CanExchange ??= false;
  if (entity.Nonresident === true) return;
  if (entity.TIN) {
    const trouble = tinTrouble(entity.TIN, person);
    if (trouble) throw bad(trouble);
  }
  if (person) return;
  if (entity.PSRN && !/^(\d{13}|\d{15})$/.test(entity.PSRN))
    throw bad('ОГРН должен состоять из 13 или 15 цифр.');
  if (entity.NCEO && !/^(\d{8}|\d{10}|\d{14})$/.test(entity.NCEO))
    throw bad('ОКПО должен состоять из 8, 10 или 14 цифр.');
}

/** The base's own search for "the same" counterparty (contract B.2); closed records included. */
export function sameCounterparties(
  store: Store,
  typeName: string,
  tin: string | null,
  trrc: string | null,
  name: string | null,
): number[] {
  const all = store.list(typeName);
  const ids = (found: Entity[]) => found.map((one) => one.Id as number);
  const named = all.filter((one) => name && String(one.Name).toLowerCase() === name.toLowerCase());
  if (!tin && !trrc) return ids(named);
  if (tin && trrc) {
    const found = all.filter(
      (one) => one.$type !== 'Person' && one.TIN === tin && (!one.TRRC || one.TRRC === trrc),
    );
    return found.length > 0
      ? ids(found)
      : ids(named.filter((one) => one.$type !== 'Person' && !one.TIN && !one.TRRC));
  }
  if (!tin) return ids(named);
  const found = all.filter((one) => one.TIN === tin);
  return found.length > 0 ? ids(found) : ids(named.filter((one) => !one.TIN));
}
