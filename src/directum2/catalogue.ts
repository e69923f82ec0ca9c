import { type LocalText, RobotFailure } from '../robot/failure.ts';
import type { CachePort, FieldLabel, Reference } from '../robot/ports.ts';
import { literal, sameText, toQuery } from './query.ts';
import type { Transport } from './transport.ts';

/** How long a directory record is believed. */
const TTL_MS = 10 * 60 * 1000;

/** Directories of Directum, by "name or id", active records only (interface.md §3 Values); answers are cached. */
export function createCatalogue(transport: Transport, cache: CachePort, baseUrl: string) {
  async function find(set: string, filter: string): Promise<Reference[]> {
    const key = `catalogue:${baseUrl}:${set}:${filter}`;
    const kept = await cache.get(key);
    if (Array.isArray(kept)) return kept as Reference[];
    const rows = await transport.rows(
      `${set}${toQuery({ filter, select: ['Id', 'Name'], orderBy: 'Id', top: 11 })}`,
    );
    const found = rows.map(toReference);
    // What is missing may be made at any moment by the person who reads our error.
    if (found.length === 1) await cache.set(key, found, TTL_MS);
    return found;
  }

  async function byNameOrId(
    set: string,
    given: string,
    label: FieldLabel,
    extra: string[] = [],
  ): Promise<Reference> {
    const active = `Status eq 'Active'`;
    if (/^\d{1,15}$/.test(given)) {
      const [one] = await find(set, `Id eq ${given} and ${active}`);
      if (one) return one;
      if (extra.length === 0) throw notFound(label, given);
    }
    const matches = [sameText('Name', given), ...extra];
    let found: Reference[] = [];
    for (const match of matches) {
      found = await find(set, `${match} and ${active}`);
      if (found.length > 0) break;
    }
    return single(found, label, given);
  }

  return {
    documentKind: (given: string, label: FieldLabel) => byNameOrId('IDocumentKinds', given, label),
    category: (given: string, label: FieldLabel) => byNameOrId('IContractCategories', given, label),
    department: (given: string, label: FieldLabel) => byNameOrId('IDepartments', given, label),
    template: (given: string, label: FieldLabel) => byNameOrId('IDocumentTemplates', given, label),
    businessUnit: (given: string, label: FieldLabel) =>
      byNameOrId(
        'IBusinessUnits',
        given,
        label,
        /^(\d{10}|\d{12})$/.test(given) ? [`TIN eq ${literal(given)}`] : [],
      ),
    async businessUnitByTin(inn: string, kpp: string | null): Promise<Reference | null> {
      const all = await find('IBusinessUnits', `TIN eq ${literal(inn)} and Status eq 'Active'`);
      if (all.length <= 1) return all[0] ?? null;
      const exact =
        kpp === null
          ? []
          : await find(
              'IBusinessUnits',
              `TIN eq ${literal(inn)} and TRRC eq ${literal(kpp)} and Status eq 'Active'`,
            );
      return single(exact.length > 0 ? exact : all, { ru: 'Наша организация', en: 'Own company' }, inn);
    },
    async currency(code: string, label: FieldLabel): Promise<Reference> {
      const codes = code === 'RUB' || code === 'RUR' ? ['RUB', 'RUR'] : [code];
      const found = await find(
        'ICurrencies',
        `(${codes.map((item) => `AlphaCode eq ${literal(item)}`).join(' or ')}) and Status eq 'Active'`,
      );
      if (found.length === 0) {
        throw failure('reference_not_found', {
          ru: `«${label.ru}»: в Directum нет действующей валюты ${code}. Добавьте валюту в справочник Directum.`,
          en: `«${label.en}»: Directum has no active currency ${code}. Add the currency in Directum.`,
        });
      }
      // Both spellings of the rouble may stand side by side; the asked-for one is not better than the other.
      return found[0] as Reference;
    },
    async vatRate(given: string, label: FieldLabel): Promise<Reference> {
      const percent = /^(\d{1,3}(?:[.,]\d+)?)\s*%?$/.exec(given);
      const named = await find('IVatRates', `${sameText('Name', given)} and Status eq 'Active'`);
      if (named.length > 0 || !percent) return single(named, label, given);
      const byRate = await find(
        'IVatRates',
        `Rate eq ${Number((percent[1] ?? '').replace(',', '.'))} and Status eq 'Active'`,
      );
      return single(byRate, label, given);
    },
  };
}

function single(found: Reference[], label: FieldLabel, given: string): Reference {
  if (found.length === 0) throw notFound(label, given);
  if (found.length === 1) return found[0] as Reference;
  const list = found.map((item) => `${item.name} (${item.id})`).join(', ');
  throw failure('reference_ambiguous', {
    ru: `«${label.ru}»: «${given}» подходит к нескольким записям Directum: ${list}. Укажите ИД нужной.`,
    en: `«${label.en}»: «${given}» fits several records in Directum: ${list}. Give the id of the right one.`,
  });
}

function notFound(label: FieldLabel, given: string): RobotFailure {
  return failure('reference_not_found', {
    ru: `«${label.ru}»: в Directum нет действующей записи «${given}». Проверьте имя или ИД.`,
    en: `«${label.en}»: Directum has no active record «${given}». Check the name or id.`,
  });
}

function failure(code: 'reference_not_found' | 'reference_ambiguous', text: LocalText): RobotFailure {
  return new RobotFailure(code, text);
}

/** `{ Id, Name }` of any row; hostile shapes become harmless ones. */
export function toReference(row: Record<string, unknown>): Reference {
  return { id: Number(row['Id']), name: typeof row['Name'] === 'string' ? row['Name'] : '' };
}
