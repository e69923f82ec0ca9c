import type { DocumentType } from '../../documents/types/document-types.ts';
import { compact, shorten, toCode, toVisible } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, FieldLabel, Reference } from '../../robot/ports/directum.ts';
import { notExposed } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import type { DirectumContext } from '../odata/directum-context.ts';
import { allOf, EVERY_ROW, equals, type Filter, isAmong, oneOf, sameText } from '../odata/filter.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, isRow, type Row, textOf } from '../odata/rows.ts';
import { listed } from './listed.ts';

/** Makes a version from a template (directum.md C.3). */
export const FROM_TEMPLATE = 'Docflow/CreateVersionFromTemplate';
const KIND_BY_GUID = 'Docflow/GetDocumentKindIdByGuid';
const KEEP_MS = 10 * 60_000;
/** Longest part of a name that is asked for: each letter may take nine characters of a start line of 2048 (directum.md A.5). */
const NAME_LENGTH = 120;
/** Room for the ids of namesakes within the 500 characters of an answer's text. */
const IDS_LENGTH = 150;

/** Directories by "name or id" (interface.md §3 Values): active records only, kept 10 minutes. */
export function createCatalogue({
  reader,
  metadata,
  lookups,
  transport,
}: DirectumContext & { transport: Pick<Transport, 'get'> }): DirectumPort['catalogue'] {
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

  const guidOf = (row: Row) => {
    const type = row['DocumentType'];
    return isRow(type) ? (textOf(type, 'DocumentTypeGuid')?.toLowerCase() ?? null) : null;
  };

  /** What shows the type of a kind; null where Directum does not show it (directum.md B.6). */
  async function typeOfKinds(): Promise<Expand | null> {
    const can = await metadata.capabilities();
    const shown =
      can.property('DocumentType', 'DocumentTypeGuid') !== null &&
      can.property('DocumentKind', 'DocumentType') !== null;
    return shown ? { DocumentType: { select: ['DocumentTypeGuid'] } } : null;
  }

  /** Kinds of one name for several document types: those of `type` are meant (directum.md B.6). */
  async function kindsOf({ guid, flow }: DocumentType, leaf: string, name: string): Promise<Row[]> {
    const found = await byName(leaf, name, ['DocumentFlow'], (await typeOfKinds()) ?? undefined);
    const ofType = found.filter((row) => guidOf(row) === guid);
    const inFlow = found.filter((row) => row['DocumentFlow'] === flow);
    if (found.length < 2) return found;
    return ofType.length > 0 ? ofType : inFlow.length > 0 ? inFlow : found;
  }

  /** A kind of the type itself: one of another type is told apart, and never taken. */
  async function kindOfType(
    type: DocumentType,
    wanted: string,
    label: FieldLabel,
  ): Promise<Reference | null> {
    const expand = (await typeOfKinds()) ?? undefined;
    const id = toId(toVisible(wanted));
    const possible = id === null || (await metadata.capabilities()).isId(id);
    if (!possible) return null;
    const found =
      id === null
        ? await byName('DocumentKind', wanted, [], expand)
        : await rows('DocumentKind', equals('Id', id), [], expand);
    const ofType = expand === undefined ? found : found.filter((row) => guidOf(row) === type.guid);
    if (found.length > 0 && ofType.length === 0) {
      const { noun } = type.texts;
      throw new RobotFailure(
        'reference_not_found',
        labelled(label, {
          ru: `вид «${clip(wanted)}» — другого типа документов, не «${noun.ru}». Укажите вид этого типа.`,
          en: `the kind «${clip(wanted)}» is of another type of documents, not «${noun.en}». Give a kind of this type.`,
        }),
      );
    }
    return one(ofType, wanted, label);
  }

  /** The predefined kind; null where there is none any more, or Directum does not know the function (directum.md B.6, D.6). */
  async function predefinedKind({ guid, kindGuid }: DocumentType): Promise<Reference | null> {
    if (!(await metadata.capabilities()).has(KIND_BY_GUID)) return null;
    try {
      const answer = await transport.get(`${KIND_BY_GUID}(documentType=${guid},kindGuid=${kindGuid})`);
      const id = isRow(answer) ? answer['value'] : answer;
      if (typeof id !== 'number' || id <= 0) return null;
      return one(await rows('DocumentKind', equals('Id', id)), String(id), { ru: '', en: '' });
    } catch (error) {
      // A kind that was never there is dereferenced by Directum and ends as its own error.
      if (error instanceof RobotFailure && error.code !== 'directum_unavailable') return null;
      throw error;
    }
  }

  /** Default, predefined, or the only active one (interface.md directum_create_document). */
  async function findUsualKind(type: DocumentType): Promise<Reference | null> {
    const expand = await typeOfKinds();
    const found = expand === null ? [] : await rows('DocumentKind', EVERY_ROW, ['IsDefault'], expand);
    const ofType = found.filter((row) => guidOf(row) === type.guid);
    const byDefault = ofType.filter((row) => row['IsDefault'] === true);
    if (byDefault.length === 1) return toReference(byDefault[0]);
    return (await predefinedKind(type)) ?? (ofType.length === 1 ? toReference(ofType[0]) : null);
  }

  async function unitsByTin(inn: string, kpp: string | null): Promise<Row[]> {
    const found = await rows('BusinessUnit', equals('TIN', inn), ['TRRC']);
    if (kpp === null) return found;
    const exact = found.filter((row) => toCode(textOf(row, 'TRRC') ?? '') === kpp);
    return exact.length > 0 ? exact : found.filter((row) => textOf(row, 'TRRC') === null);
  }

  return {
    documentKind(type, value, label) {
      if (type.code !== 'contract') {
        const wanted = value.trim();
        const key = `DocumentKind:${type.code}:${wanted.toLowerCase()}`;
        return kept(key, () => kindOfType(type, wanted, label), wanted, label);
      }
      const find = (leaf: string, name: string) => kindsOf(type, leaf, name);
      return nameOrId('DocumentKind', value, label, find, `DocumentKind:${type.code}`);
    },
    async usualKind(type, label) {
      const key = `ref:DocumentKind:${type.code}`;
      const found = await lookups.remember(key, KEEP_MS, () => findUsualKind(type));
      if (found) return found;
      throw new RobotFailure(
        'input_missing',
        labelled(label, {
          ru: `в Directum нет вида по умолчанию для типа «${type.texts.noun.ru}». Укажите вид в роботе.`,
          en: `Directum has no default kind of the type «${type.texts.noun.en}». Give a kind in the robot.`,
        }),
      );
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

function toReference(row: Row | undefined): Reference | null {
  return row === undefined ? null : { id: idOf(row), name: textOf(row, 'Name') ?? String(idOf(row)) };
}

function one(found: Row[], value: string, label: FieldLabel): Reference | null {
  const references = found.flatMap((row) => toReference(row) ?? []);
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
