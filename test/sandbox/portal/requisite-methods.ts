import { isDynamic } from './entities.ts';
import { mayRead, mayReadType } from './rights.ts';
import { legacyList, listParams } from './rows.ts';
import type { Fields } from './types.ts';
import { castInt, int, isObject, legacyError, type Methods, text } from './wire.ts';
import type { World } from './world.ts';

const LINKED = new Set([2, 5, 7, 31]);
const LEAD = 1;
const CONTACT = 3;
const COMPANY = 4;
const REQUISITE = 8;

/** Factory presets of Russia and one of each neighbour (bitrix24.md F4; countries by the portal's own numbers). */
const PRESETS = [
  { ID: '1', NAME: 'Организация', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_COMPANY#' },
  { ID: '2', NAME: 'ИП', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_INDIVIDUAL#' },
  { ID: '3', NAME: 'Физ. лицо', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_PERSON#' },
  { ID: '4', NAME: 'ТОО', COUNTRY_ID: '6', XML_ID: '' },
  { ID: '5', NAME: 'ООО (Беларусь)', COUNTRY_ID: '4', XML_ID: '' },
  { ID: '6', NAME: 'ТОВ', COUNTRY_ID: '14', XML_ID: '' },
  { ID: '7', NAME: 'GmbH', COUNTRY_ID: '46', XML_ID: '' },
];

const words = (list: string): Set<string> => new Set(list.split(' '));
const ROW = 'ID ENTITY_TYPE_ID ENTITY_ID NAME CODE XML_ID ORIGINATOR_ID ACTIVE SORT DATE_CREATE DATE_MODIFY';
const REQUISITE_FIELDS = words(
  `${ROW} PRESET_ID CREATED_BY_ID MODIFY_BY_ID ADDRESS_ONLY RQ_NAME RQ_FIRST_NAME RQ_LAST_NAME RQ_SECOND_NAME RQ_COMPANY_NAME RQ_COMPANY_FULL_NAME RQ_COMPANY_REG_DATE RQ_DIRECTOR RQ_ACCOUNTANT RQ_CEO_NAME RQ_CEO_WORK_POS RQ_CONTACT RQ_EMAIL RQ_PHONE RQ_FAX RQ_IDENT_DOC RQ_IDENT_DOC_SER RQ_IDENT_DOC_NUM RQ_IDENT_DOC_DATE RQ_IDENT_DOC_ISSUED_BY RQ_IDENT_DOC_DEP_CODE RQ_INN RQ_KPP RQ_OGRN RQ_OGRNIP RQ_OKPO RQ_OKTMO RQ_OKVED RQ_IFNS RQ_BIN RQ_IIN RQ_EDRPOU RQ_VAT_ID RQ_REGNUM`,
);
const BANK_FIELDS = words(
  `${ROW} COUNTRY_ID COMMENTS CREATED_BY_ID MODIFY_BY_ID RQ_BANK_NAME RQ_BANK_ADDR RQ_BIK RQ_ACC_NUM RQ_COR_ACC_NUM RQ_ACC_CURRENCY RQ_ACC_NAME RQ_IBAN RQ_SWIFT RQ_BIC RQ_IIK RQ_MFO`,
);
const ADDRESS_FIELDS = words(
  'TYPE_ID ENTITY_TYPE_ID ENTITY_ID ADDRESS_1 ADDRESS_2 CITY POSTAL_CODE REGION PROVINCE COUNTRY COUNTRY_CODE LOC_ADDR_ID ANCHOR_TYPE_ID ANCHOR_ID',
);
const LINK_FIELDS = words(
  'ENTITY_TYPE_ID ENTITY_ID REQUISITE_ID BANK_DETAIL_ID MC_REQUISITE_ID MC_BANK_DETAIL_ID',
);

const denied = (): Error => legacyError('Access denied.');

/** An address hangs on a requisite and is anchored at its owner. */
function anchored(world: World): Fields[] {
  return world.addresses.map((address) => {
    const owner =
      int(address['ENTITY_TYPE_ID']) === REQUISITE
        ? world.requisites.find((one) => text(one['ID']) === text(address['ENTITY_ID']))
        : address;
    return {
      ANCHOR_TYPE_ID: text(owner?.['ENTITY_TYPE_ID']),
      ANCHOR_ID: text(owner?.['ENTITY_ID']),
      ...address,
    };
  });
}

/** A filter by company or contact is silently one by the anchor; so is its list of ids. */
function byAnchor(filter: unknown): unknown {
  if (!isObject(filter) || ![CONTACT, COMPANY].includes(castInt(filter['ENTITY_TYPE_ID']))) return filter;
  return Object.fromEntries(
    Object.entries(filter).map(([key, value]) => [key.replace('ENTITY_', 'ANCHOR_'), value]),
  );
}

/** Requisites, their bank details and addresses, and which of them an item uses (bitrix24.md F4, F1a). */
export function requisiteMethods(world: World): Methods {
  const scope = ['crm'];
  const demandTypes = (userId: number, ...types: number[]): void => {
    if (types.some((type) => !mayReadType(world, userId, type))) throw denied();
  };
  return {
    'crm.requisite.list': {
      scope,
      run: ({ params, grant }) => {
        const given = (listParams(params).filter as Fields | undefined)?.['ENTITY_TYPE_ID'];
        if (given === undefined) demandTypes(grant.userId, CONTACT, COMPANY);
        else {
          // One scalar: the rights are asked for the type it names, and a list is cast to 1, which owns none.
          const type = castInt(given);
          if (type !== CONTACT && type !== COMPANY) throw denied();
          demandTypes(grant.userId, type);
        }
        return legacyList(world.requisites, params, {
          known: (name) => REQUISITE_FIELDS.has(name) || name.startsWith('UF_'),
          alwaysCounts: true,
        });
      },
    },
    'crm.requisite.get': {
      scope,
      run: ({ params, grant }) => {
        const id = castInt(params['id'] ?? params['ID']);
        if (id <= 0) throw legacyError('ID is not defined or invalid.');
        const row = world.requisites.find((one) => int(one['ID']) === id);
        if (row === undefined) throw legacyError(`The Requisite with ID '${id}' is not found`);
        if (!mayRead(world, grant.userId, int(row['ENTITY_TYPE_ID']), int(row['ENTITY_ID']))) throw denied();
        return { result: row };
      },
    },
    'crm.requisite.preset.list': { scope, run: ({ params }) => legacyList(PRESETS, params) },
    'crm.requisite.bankdetail.list': {
      scope,
      run: ({ params, grant }) => {
        demandTypes(grant.userId, CONTACT, COMPANY);
        return legacyList(world.bankDetails, params, {
          known: (name) => BANK_FIELDS.has(name),
          alwaysCounts: true,
        });
      },
    },
    'crm.address.list': {
      scope,
      run: ({ params, grant }) => {
        demandTypes(grant.userId, LEAD, CONTACT, COMPANY);
        const { filter, order, select, start } = listParams(params);
        const reply = legacyList(
          anchored(world),
          { filter: byAnchor(filter), order, select, start },
          {
            known: (name) => ADDRESS_FIELDS.has(name),
            alwaysCounts: true,
            order: { ENTITY_ID: 'ASC', TYPE_ID: 'ASC' },
          },
        );
        if (!world.misbehave.addressTotalStuck) return reply;
        return { result: reply.result, total: Math.min(50, reply.total ?? 0) };
      },
    },
    'crm.requisite.link.list': {
      scope,
      run: ({ params, grant }) => {
        const filter = (listParams(params).filter ?? {}) as Fields;
        const type = castInt(filter['ENTITY_TYPE_ID']);
        if (type !== 0) demandTypes(grant.userId, type);
        if ('ENTITY_ID' in filter) {
          // A plain list is cast to 1: the rights to item 1 decide about them all.
          const id = castInt(filter['ENTITY_ID']);
          const exists = world.items.get(type)?.has(id) === true;
          if (!exists || !mayRead(world, grant.userId, type, id)) throw denied();
        }
        return legacyList([...world.links.values()], params, {
          known: (name) => LINK_FIELDS.has(name),
          alwaysCounts: true,
          order: { ENTITY_TYPE_ID: 'ASC', ENTITY_ID: 'ASC' },
        });
      },
    },
    'crm.requisite.link.get': {
      scope,
      run: ({ params, grant }) => {
        const type = castInt(params['entityTypeId']);
        const id = castInt(params['entityId']);
        if (!LINKED.has(type) && !isDynamic(type))
          throw legacyError('ENTITY_TYPE_ID is not defined or invalid.');
        if (id <= 0) throw legacyError('ENTITY_ID is not defined or invalid.');
        if (!mayRead(world, grant.userId, type, id)) throw denied();
        const link = world.links.get(`${type}:${id}`);
        if (link === undefined) throw legacyError('Entity not found.');
        return { result: link };
      },
    },
  };
}
