import { z } from 'zod';
import { cut } from '../../lib/text.ts';
import type { Requisite } from '../../robot/ports/portal.ts';

/** Answers of the portal are read leniently in what they add and strictly in what is used. */
const text = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) =>
    value === null || value === undefined ? null : cut(String(value).trim(), 4_000) || null,
  )
  .catch(null);
const id = z.coerce.number().int().positive();
const maybeId = z
  .union([z.number(), z.string(), z.boolean()])
  .nullish()
  .transform((value) => {
    const read = Number(value);
    return Number.isSafeInteger(read) && read > 0 ? read : null;
  })
  .catch(null);
const list = <T extends z.ZodType>(row: T) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((rows) =>
      rows.flatMap((item) => {
        const read = row.safeParse(item);
        return read.success ? [read.data] : [];
      }),
    );

/** `crm.item.get` (bitrix24.md F1): system fields camelCase, user fields as stored. */
export const itemShape = z.object({ item: z.looseObject({ id }) });
export type CrmItem = z.infer<typeof itemShape>['item'];

/** System fields of an item a snapshot needs. */
export const itemFactsShape = z.object({
  title: text,
  opportunity: z.union([z.number(), text]),
  currencyId: text,
  assignedById: maybeId,
  companyId: maybeId,
  contactId: maybeId,
  contactIds: list(id),
  mycompanyId: maybeId,
  myCompanyId: maybeId,
  name: text,
  lastName: text,
  secondName: text,
});

/** `crm.requisite.link.get` (F4). */
export const linkShape = z.object({
  REQUISITE_ID: maybeId,
  BANK_DETAIL_ID: maybeId,
  MC_REQUISITE_ID: maybeId,
});

/**
 * Numbers of companies and people, the most telling first. Only `RQ_INN` is Russian too; Belarus keeps its UNP and
 * Poland its NIP there. Kazakhstan: BIN, IIN; Ukraine: EDRPOU, DRFO; Germany, France, Poland, USA: VAT id; Brazil, France,
 * Czechia: CNPJ, CPF, SIREN, SIRET, company id; the registers of Poland and Germany (portal's `crm/lib/entityrequisite.php`).
 */
const FOREIGN_IDS = [
  'RQ_BIN',
  'RQ_IIN',
  'RQ_EDRPOU',
  'RQ_DRFO',
  'RQ_VAT_ID',
  'RQ_CNPJ',
  'RQ_CPF',
  'RQ_SIREN',
  'RQ_SIRET',
  'RQ_COMPANY_ID',
  'RQ_INN',
  'RQ_REGON',
  'RQ_KRS',
  'RQ_PESEL',
  'RQ_USRLE',
] as const;

const requisiteRow = z.object({
  // `fromEntries` forgets the names.
  ...(Object.fromEntries(FOREIGN_IDS.map((name) => [name, text])) as Record<
    (typeof FOREIGN_IDS)[number],
    typeof text
  >),
  ID: id,
  ACTIVE: text,
  SORT: z.coerce.number().catch(0),
  ENTITY_TYPE_ID: maybeId,
  ENTITY_ID: maybeId,
  PRESET_ID: maybeId,
  RQ_KPP: text,
  RQ_OGRN: text,
  RQ_OGRNIP: text,
  RQ_OKPO: text,
  RQ_OKVED: text,
  RQ_COMPANY_NAME: text,
  RQ_COMPANY_FULL_NAME: text,
  RQ_LAST_NAME: text,
  RQ_FIRST_NAME: text,
  RQ_SECOND_NAME: text,
});
export type RequisiteRow = z.infer<typeof requisiteRow>;
export const requisiteShape = requisiteRow;
/** The active ones by sort, whatever order and company the portal lists them in. */
export const requisitesShape = list(requisiteRow).transform((rows) =>
  rows.filter((row) => row.ACTIVE !== 'N').sort((one, other) => one.SORT - other.SORT || one.ID - other.ID),
);

const bankRow = z.object({
  ID: id,
  ENTITY_ID: maybeId,
  COUNTRY_ID: maybeId,
  RQ_BANK_NAME: text,
  RQ_BIK: text,
  RQ_ACC_NUM: text,
  RQ_COR_ACC_NUM: text,
});
export const banksShape = list(bankRow);

const addressRow = z.object({
  TYPE_ID: maybeId,
  ENTITY_TYPE_ID: maybeId,
  ENTITY_ID: maybeId,
  ADDRESS_1: text,
  ADDRESS_2: text,
  CITY: text,
  POSTAL_CODE: text,
  REGION: text,
  PROVINCE: text,
  COUNTRY: text,
});
export const addressesShape = list(addressRow);
type AddressRow = z.infer<typeof addressRow>;

export const presetsShape = list(z.object({ ID: id, COUNTRY_ID: maybeId }));

export const usersShape = list(
  z.object({ ID: id, NAME: text, LAST_NAME: text, SECOND_NAME: text, EMAIL: text }),
);

const multifield = z.object({ VALUE: text }).transform(({ VALUE }) => VALUE);
/** Phones, e-mails and sites as `crm.company.get` and `crm.contact.get` print them (F2). */
export const contactsShape = z.object({
  PHONE: list(multifield),
  EMAIL: list(multifield),
  WEB: list(multifield),
});

const fmRow = z
  .object({ typeId: text, TYPE_ID: text, value: text, VALUE: text })
  .transform((row) => ({ type: row.typeId ?? row.TYPE_ID, value: row.value ?? row.VALUE }));

interface Multifields {
  phones: (string | null)[];
  emails: (string | null)[];
  webs: (string | null)[];
}

/** The `fm` block of `crm.item.get`: a list of rows, or maps of rows by type (F1). Null when there is none. */
export function readMultifields(item: CrmItem): Multifields | null {
  const fm = item['fm'];
  if (typeof fm !== 'object' || fm === null) return null;
  const rows = Array.isArray(fm)
    ? list(fmRow).parse(fm)
    : Object.entries(fm).flatMap(([type, values]) =>
        list(fmRow)
          .parse(typeof values === 'object' && values !== null ? Object.values(values) : [])
          .map((row) => ({ ...row, type })),
      );
  const of = (type: string) => rows.filter((row) => row.type === type).flatMap((row) => row.value ?? []);
  return { phones: of('PHONE'), emails: of('EMAIL'), webs: of('WEB') };
}

/** Numbers of a requisite of another country, the most telling first. */
export function foreignIds(row: RequisiteRow): string[] {
  return FOREIGN_IDS.flatMap((name) => row[name] ?? []);
}

/** A requisite with its bank account and addresses (F4). */
export function toRequisite(
  row: RequisiteRow,
  facts: {
    countryId: number | null;
    banks: z.infer<typeof banksShape>;
    bankId: number | null;
    addresses: AddressRow[];
    person: boolean;
  },
): Requisite {
  const banks = facts.banks.filter((bank) => bank.ENTITY_ID === null || bank.ENTITY_ID === row.ID);
  const bank = banks.find((candidate) => candidate.ID === facts.bankId) ?? banks[0];
  const own = facts.addresses.filter((address) => address.ENTITY_ID === null || address.ENTITY_ID === row.ID);
  const address = (...types: number[]) => {
    const found = types.map((type) => own.find((candidate) => candidate.TYPE_ID === type)).find(Boolean);
    return found === undefined ? null : toAddressText(found);
  };
  return {
    id: row.ID,
    countryId: facts.countryId,
    inn: row.RQ_INN,
    foreignIds: foreignIds(row),
    kpp: row.RQ_KPP,
    ogrn: row.RQ_OGRN,
    ogrnip: row.RQ_OGRNIP,
    okpo: row.RQ_OKPO,
    okved: row.RQ_OKVED,
    companyName: row.RQ_COMPANY_NAME,
    companyFullName: row.RQ_COMPANY_FULL_NAME,
    lastName: row.RQ_LAST_NAME,
    firstName: row.RQ_FIRST_NAME,
    secondName: row.RQ_SECOND_NAME,
    bank:
      bank === undefined
        ? null
        : {
            countryId: bank.COUNTRY_ID,
            name: bank.RQ_BANK_NAME,
            bik: bank.RQ_BIK,
            account: bank.RQ_ACC_NUM,
            corAccount: bank.RQ_COR_ACC_NUM,
          },
    // 6 legal, 4 registration of a person; 8 postal, 1 actual.
    legalAddress: facts.person ? address(4, 6) : address(6, 4),
    postalAddress: address(8, 1),
  };
}

function toAddressText(row: AddressRow): string | null {
  // Inside Russia an address is written without the country.
  const country = /^(россия|российская федерация|russia)$/i.test(row.COUNTRY ?? '') ? null : row.COUNTRY;
  const parts = [row.POSTAL_CODE, country, row.REGION, row.PROVINCE, row.CITY, row.ADDRESS_1, row.ADDRESS_2];
  return parts.filter((part) => part !== null && part !== '').join(', ') || null;
}
