import type { DocumentType } from '../../documents/types/document-types.ts';
import { compact, shorten, toCode, toVisible } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, FieldLabel, Reference } from '../../robot/ports/directum.ts';
import { notExposed } from '../http/errors.ts';
import type { DirectumContext } from '../odata/directum-context.ts';
import { allOf, equals, type Filter, isAmong, oneOf, sameText } from '../odata/filter.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, isRow, type Row, textOf } from '../odata/rows.ts';
import { listed } from './listed.ts';

/** Makes a version from a template (directum.md C.3). */
export const FROM_TEMPLATE = 'Docflow/CreateVersionFromTemplate';
const KEEP_MS = 10 * 60_000;
/** Longest part of a name that is asked for: each letter may take nine characters of a start line of 2048 (directum.md A.5). */
const NAME_LENGTH = 120;
/** Room for the ids of namesakes within the 500 characters of an answer's text. */
const IDS_LENGTH = 150;

/** Directories by "name or id" (interface.md §3 Values): active records only, kept 10 minutes. */
export function createCatalogue({ reader, metadata, lookups }: DirectumContext): DirectumPort['catalogue'] {
  /** Active rows of a directory; only properties this installation has are asked for. */
  async function rows(leaf: string, filter: Filter, extra: string[] = [], expand?: Expand): Promise<Row[]> {
    const can = await metadata.capabilities();
    const hasStatus = can.property(leaf, 'Status') !== null;
    return reader.all(can.need(leaf), {
      filter: hasStatus ? allOf(filter, equals('Status', 'Active')) : filter,
      select: ['Id', 'Name', ...can.having(leaf, extra)],
      ...(expand && { expand }),
    });
  }

  async function byName(leaf: string, name: string, extra: string[] = [], expand?: Expand): Promise<Row[]> {
    const wanted = name.toLowerCase();
    const seen = toVisible(wanted);
    const spellings = [...new Set([name, toVisible(name)])];
    // Together they must fit the start line.
    const asked = spellings.map((one) => sameText('Name', one, NAME_LENGTH / spellings.length));
    const found = await rows(leaf, oneOf(asked), extra, expand);
    const named = (is: (own: string) => boolean) =>
      found.filter((row) => is((textOf(row, 'Name') ?? '').toLowerCase()));
    const exact = named((own) => own === wanted);
    return exact.length > 0 ? exact : named((own) => toVisible(own) === seen);
  }

  /** Digits are an id, always; anything else the exact name. */
  function nameOrId(
    leaf: string,
    value: string,
    label: FieldLabel,
    find = byName,
    scope = leaf,
  ): Promise<Reference> {
    const wanted = value.trim();
    return kept(
      `${scope}:${wanted.toLowerCase()}`,
      async () => {
        const id = toId(toVisible(wanted));
        if (id === null) return one(await find(leaf, wanted), wanted, label);
        const possible = (await metadata.capabilities()).isId(id);
        return possible ? one(await rows(leaf, equals('Id', id)), wanted, label) : null;
      },
      wanted,
      label,
    );
  }

  async function kept(key: string, find: () => Promise<Reference | null>, value: string, label: FieldLabel) {
    const found = await lookups.remember(`ref:${key}`, KEEP_MS, find);
    if (!found) throw notFound(value, label);
    return found;
  }

  /** Kinds of one name for several document types: those of `type` are meant (directum.md B.6). */
  async function kindsOf({ guid, flow }: DocumentType, leaf: string, name: string): Promise<Row[]> {
    const can = await metadata.capabilities();
    const typed =
      can.property('DocumentType', 'DocumentTypeGuid') !== null &&
      can.property(leaf, 'DocumentType') !== null;
    const expand = typed ? { DocumentType: { select: ['DocumentTypeGuid'] } } : undefined;
    const found = await byName(leaf, name, ['DocumentFlow'], expand);
    const ofType = found.filter((row) => {
      const type = row['DocumentType'];
      return isRow(type) && textOf(type, 'DocumentTypeGuid')?.toLowerCase() === guid;
    });
    const inFlow = found.filter((row) => row['DocumentFlow'] === flow);
    if (found.length < 2) return found;
    return ofType.length > 0 ? ofType : inFlow.length > 0 ? inFlow : found;
  }

  async function unitsByTin(inn: string, kpp: string | null): Promise<Row[]> {
    const found = await rows('BusinessUnit', equals('TIN', inn), ['TRRC']);
    if (kpp === null) return found;
    const exact = found.filter((row) => toCode(textOf(row, 'TRRC') ?? '') === kpp);
    return exact.length > 0 ? exact : found.filter((row) => textOf(row, 'TRRC') === null);
  }

  return {
    documentKind(type, value, label) {
      const find = (leaf: string, name: string) => kindsOf(type, leaf, name);
      return nameOrId('DocumentKind', value, label, find, `DocumentKind:${type.code}`);
    },
    category: (value, label) => nameOrId('ContractCategory', value, label),
    department: (value, label) => nameOrId('Department', value, label),
    async template(value, label) {
      if (!(await metadata.capabilities()).has(FROM_TEMPLATE)) throw notExposed(FROM_TEMPLATE);
      return nameOrId('DocumentTemplate', value, label);
    },

    businessUnit(value, label) {
      const wanted = toCode(value);
      if (!/^(\d{10}|\d{12})$/.test(wanted)) return nameOrId('BusinessUnit', value, label);
      return kept(
        `BusinessUnit:${wanted}`,
        async () => {
          const found = await unitsByTin(wanted, null);
          return one(
            found.length > 0 || !(await metadata.capabilities()).isId(Number(wanted))
              ? found
              : await rows('BusinessUnit', equals('Id', Number(wanted))),
            wanted,
            label,
          );
        },
        wanted,
        label,
      );
    },

    async businessUnitByTin(given, givenKpp) {
      const [inn, kpp] = [compact(given), compact(givenKpp)];
      if (inn === null) return null;
      return lookups.remember(`ref:BusinessUnit:tin:${inn}:${kpp ?? ''}`, KEEP_MS, async () => {
        const found = await unitsByTin(inn, kpp);
        return one(found, inn, { ru: 'Наша организация', en: 'Own company' });
      });
    },

    currency(isoCode, label) {
      const code = toCode(isoCode).toUpperCase();
      const codes = code === 'RUB' || code === 'RUR' ? ['RUB', 'RUR'] : [code];
      return kept(
        `Currency:${codes[0]}`,
        async () => {
          const found = await rows('Currency', isAmong('AlphaCode', codes), ['AlphaCode']);
          // Old installations keep both codes of the rouble; today's one is meant.
          const current = found.filter((row) => textOf(row, 'AlphaCode') === codes[0]);
          return one(current.length > 0 ? current : found, code, label);
        },
        code,
        label,
      );
    },

    vatRate(nameOrPercent, label) {
      const wanted = nameOrPercent.trim();
      return kept(
        `VatRate:${wanted.toLowerCase()}`,
        async () => {
          const named = await byName('VatRate', wanted);
          const percent = /^(\d{1,3}(?:[.,]\d{1,4})?)\s*%?$/.exec(toCode(wanted))?.[1];
          if (named.length > 0 || percent === undefined) return one(named, wanted, label);
          const rate = Number(percent.replace(',', '.'));
          const found = await rows('VatRate', equals('Rate', rate), ['Rate']);
          const plain = found.filter((row) => textOf(row, 'Name')?.replace(/\s/g, '') === `${rate}%`);
          return one(plain.length > 0 ? plain : found, wanted, label);
        },
        wanted,
        label,
      );
    },
  };
}

/** The id that a text of digits means; -1, which no record has, for a number too great; null for any other text. */
export function toId(text: string): number | null {
  if (!/^\d+$/.test(text)) return null;
  const id = Number(text);
  return Number.isSafeInteger(id) && id > 0 ? id : -1;
}

function one(found: Row[], value: string, label: FieldLabel): Reference | null {
  const references = found.map((row) => ({ id: idOf(row), name: textOf(row, 'Name') ?? String(idOf(row)) }));
  if (references.length < 2) return references[0] ?? null;
  const ids = listed(
    references.map(({ id }) => String(id)),
    IDS_LENGTH,
  );
  throw new RobotFailure(
    'reference_ambiguous',
    labelled(label, {
      ru: `в Directum несколько действующих записей «${clip(value)}» (ИД ${ids.ru}). Укажите ИД нужной вместо имени.`,
      en: `Directum has several active records «${clip(value)}» (ids ${ids.en}). Give the id of the right one instead of the name.`,
    }),
  );
}

function notFound(value: string, label: FieldLabel): RobotFailure {
  return new RobotFailure(
    'reference_not_found',
    labelled(label, {
      ru: `в Directum нет действующей записи «${clip(value)}», доступной сервису. Проверьте имя или ИД и состояние записи.`,
      en: `Directum has no active record «${clip(value)}» that the service can read. Check the name or id and the record's state.`,
    }),
  );
}

function labelled(label: FieldLabel, text: LocalText): LocalText {
  return { ru: `«${label.ru}»: ${text.ru}`, en: `«${label.en}»: ${text.en}` };
}

const clip = (text: string): string => shorten(text, 100);
