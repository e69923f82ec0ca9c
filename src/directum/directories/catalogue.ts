import { compact, toCode, toVisible } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, FieldLabel, Reference } from '../../robot/ports/directum.ts';
import { notExposed } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { equals, isAmong } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { type Row, textOf } from '../odata/rows.ts';
import { createDocumentKinds } from './document-kinds.ts';
import { createRecords, labelled, notFound, one, toId } from './records.ts';

/** Makes a version from a template (directum.md C.3). */
export const FROM_TEMPLATE = 'Docflow/CreateVersionFromTemplate';
const KEEP_MS = 10 * 60_000;

/** Directories by "name or id" (interface.md §3 Values): active records only, kept 10 minutes. */
export function createCatalogue({
  reader,
  metadata,
  lookups,
  transport,
}: DirectumContext & { transport: Pick<Transport, 'get'> }): DirectumPort['catalogue'] {
  const { rows, byName } = createRecords({ reader, metadata });
  const { kindsOf, kindOfType, findUsualKind } = createDocumentKinds({ rows, byName, metadata, transport });

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
