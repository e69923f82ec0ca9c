import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { fileName } from '../../../src/bitrix24/crm/files/portal-file.ts';
import type { ItemRef } from '../../../src/robot/ports/portal.ts';
import { fakePortal, installed, MEMBER, type Methods, type Params, PROVEN, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const DEAL: ItemRef = { typeId: 2, id: 915, code: 'DEAL_915' };

/** The CRM of one deal with a company, a contact, requisites of both and an own company. */
function crm(): Methods {
  const items: Record<string, Params> = {
    '2:915': {
      id: 915,
      title: 'Станок',
      opportunity: '1200.5',
      currencyId: 'RUB',
      assignedById: 5,
      companyId: 44,
      contactId: 8,
      mycompanyId: 3,
      UF_CRM_FILE: null,
      UF_CRM_TEXT: 'x',
    },
    '4:44': { id: 44, title: 'ООО Ромашка' },
    '4:3': { id: 3, title: 'Мы' },
    '3:8': {
      id: 8,
      name: 'Иван',
      lastName: 'Иванов',
      secondName: '',
      fm: [
        { typeId: 'PHONE', value: '+7 1' },
        { typeId: 'EMAIL', value: 'i@x.ru' },
      ],
    },
  };
  const rows: Params[] = [
    {
      ID: '21',
      ENTITY_TYPE_ID: '4',
      ENTITY_ID: '44',
      PRESET_ID: '1',
      RQ_INN: ' 7700000000 ',
      RQ_KPP: '770001001',
      RQ_OKVED: '62.01',
      RQ_COMPANY_NAME: 'Ромашка',
    },
    { ID: '22', ENTITY_TYPE_ID: '4', ENTITY_ID: '44', PRESET_ID: '1', RQ_INN: '7700000001' },
    {
      ID: '23',
      ENTITY_TYPE_ID: '4',
      ENTITY_ID: '3',
      PRESET_ID: '1',
      RQ_INN: '5000000000',
      RQ_KPP: '500001001',
    },
    { ID: '24', ENTITY_TYPE_ID: '3', ENTITY_ID: '8', PRESET_ID: '9', RQ_INN: '500100732259' },
  ];
  const item = ({ entityTypeId, id }: Params) => ({
    item: items[`${entityTypeId}:${id}`] ?? refuse('NOT_FOUND'),
  });
  return {
    'crm.item.get': item,
    'crm.company.get': () => ({
      ID: '44',
      PHONE: [{ ID: '1', VALUE: '+7 495' }],
      EMAIL: [{ VALUE: 'a@b.ru' }],
      WEB: [],
    }),
    'crm.contact.get': () => ({ ID: '8' }),
    'crm.requisite.link.get': () => ({
      REQUISITE_ID: '22',
      BANK_DETAIL_ID: '32',
      MC_REQUISITE_ID: '0',
      MC_BANK_DETAIL_ID: '0',
    }),
    'crm.requisite.get': ({ id }) =>
      rows.find((row) => row['ID'] === String(id)) ?? refuse('', 400, 'Not found'),
    'crm.requisite.list': ({ filter }) =>
      rows.filter(
        (row) =>
          row['ENTITY_TYPE_ID'] === String(filter.ENTITY_TYPE_ID) &&
          row['ENTITY_ID'] === String(filter.ENTITY_ID),
      ),
    'crm.requisite.preset.list': () => [{ ID: '1', COUNTRY_ID: '1' }],
    'crm.requisite.bankdetail.list': ({ filter }) => [
      { ID: '31', ENTITY_ID: String(filter.ENTITY_ID), RQ_BANK_NAME: 'First' },
      {
        ID: '32',
        ENTITY_ID: String(filter.ENTITY_ID),
        RQ_BANK_NAME: 'Second',
        RQ_BIK: '044525225',
        RQ_ACC_NUM: '407',
        RQ_COR_ACC_NUM: '301',
      },
    ],
    'crm.address.list': ({ filter }) => [
      {
        TYPE_ID: '6',
        ENTITY_TYPE_ID: '8',
        ENTITY_ID: String(filter.ENTITY_ID),
        POSTAL_CODE: '101000',
        COUNTRY: 'Россия',
        CITY: 'Москва',
        ADDRESS_1: 'Тверская, 1',
        ADDRESS_2: '',
      },
      {
        TYPE_ID: '1',
        ENTITY_TYPE_ID: '8',
        ENTITY_ID: String(filter.ENTITY_ID),
        COUNTRY: 'Германия',
        CITY: 'Берлин',
      },
    ],
    'user.get': ({ ID }) =>
      String(ID) === '404'
        ? []
        : [{ ID: String(ID), NAME: 'Анна', LAST_NAME: 'Ким', EMAIL: `u${ID}@x.ru`, ACTIVE: true }],
  };
}

async function start(
  change: (methods: Methods) => Methods = (methods) => methods,
  ref = DEAL,
  raw?: Parameters<typeof fakePortal>[1],
) {
  const portal = await fakePortal(change(crm()), raw);
  open.push(portal);
  const made = await installed(portal);
  return { portal, made, port: made.reader(MEMBER, ref, made.log, PROVEN) };
}

describe('one read of a deal', () => {
  it('brings everything in one hit', async () => {
    const { portal, port } = await start();
    const snapshot = await port.read({ users: [7, 404] });
    expect(portal.hits.map(({ method }) => method)).toEqual(['batch']);
    expect(snapshot).toMatchObject({
      title: 'Станок',
      url: `${portal.origin}/crm/deal/details/915/`,
      amount: '1200.5',
      currency: 'RUB',
      responsibleUserId: 5,
      ownCompany: { name: 'Мы', inn: '5000000000', kpp: '500001001' },
      fields: { UF_CRM_TEXT: 'x' },
    });
    expect([...snapshot.users.keys()]).toEqual([5, 7]);
    expect(snapshot.users.get(7)).toEqual({ id: 7, email: 'u7@x.ru', name: 'Ким Анна' });
    expect(snapshot.party).toMatchObject({
      kind: 'company',
      id: 44,
      name: 'ООО Ромашка',
      phones: ['+7 495'],
      emails: ['a@b.ru'],
    });
  });

  it('takes the requisite chosen on the deal with its bank account and addresses', async () => {
    const { port } = await start();
    expect((await port.read()).party?.requisite).toMatchObject({
      id: 22,
      countryId: 1,
      inn: '7700000001',
      bank: { name: 'Second', bik: '044525225', account: '407', corAccount: '301' },
      legalAddress: '101000, Москва, Тверская, 1',
      postalAddress: 'Германия, Берлин',
    });
  });

  it('takes the chosen bank account though it stands on a later page', async () => {
    const others = Array.from({ length: 50 }, (_, n) => ({
      ID: String(100 + n),
      ENTITY_ID: '22',
      RQ_BANK_NAME: 'Other',
    }));
    const { port } = await start((methods) => ({
      ...methods,
      'crm.requisite.bankdetail.list': ({ filter }) =>
        filter.ID === undefined
          ? others
          : [{ ID: String(filter.ID), ENTITY_ID: '22', RQ_BANK_NAME: 'Chosen', RQ_ACC_NUM: '408' }],
    }));
    expect((await port.read()).party?.requisite).toMatchObject({ bank: { name: 'Chosen', account: '408' } });
  });

  it('takes the first requisite by sort when none is chosen, still in one hit', async () => {
    const { portal, port } = await start((methods) => ({
      ...methods,
      'crm.requisite.link.get': () => ({ REQUISITE_ID: '0' }),
    }));
    expect((await port.read()).party?.requisite).toMatchObject({
      id: 21,
      inn: '7700000000',
      okved: '62.01',
      bank: { name: 'First' },
    });
    expect(portal.hits).toHaveLength(1);
  });

  it('falls back to the contact of a deal without a company', async () => {
    const { portal, port } = await start((methods) => {
      const item = methods['crm.item.get']!;
      const get = (params: Params, token: string) => {
        const answer = item(params, token) as { item: Params };
        return { item: { ...answer.item, companyId: String(params['entityTypeId']) === '2' ? 0 : 1 } };
      };
      return { ...methods, 'crm.item.get': get };
    });
    const { party } = await port.read();
    expect(party).toMatchObject({
      kind: 'contact',
      id: 8,
      name: 'Иванов Иван',
      phones: ['+7 1'],
      emails: ['i@x.ru'],
      requisite: { id: 24, countryId: null },
    });
    expect(portal.hits).toHaveLength(1);
  });

  it('reads a named company and the item itself when it is a company', async () => {
    const named = await start();
    expect((await named.port.read({ contactId: 8 })).party).toMatchObject({ kind: 'contact', id: 8 });
    await expect(named.port.read({ companyId: 999 })).rejects.toMatchObject({ code: 'item_not_found' });
    const itself = await start(undefined, { typeId: 4, id: 44, code: 'COMPANY_44' });
    expect(await itself.port.read()).toMatchObject({
      url: `${itself.portal.origin}/crm/company/details/44/`,
      party: { id: 44 },
    });
    expect(itself.portal.hits).toHaveLength(1);
  });
});

describe('a portal that does not take the batch as planned', () => {
  it('is asked singly for what it refused', async () => {
    const { portal, port } = await start((methods) => ({
      ...methods,
      batch: ({ cmd }) => ({
        result: [],
        result_error: Object.fromEntries(
          Object.keys(cmd).map((key) => [
            key,
            { error: 'ERROR_BATCH_METHOD_NOT_ALLOWED', error_description: '' },
          ]),
        ),
      }),
    }));
    expect((await port.read({ users: [7] })).party).toMatchObject({
      id: 44,
      requisite: { id: 22, legalAddress: expect.any(String) },
    });
    expect(portal.hits.length).toBeGreaterThan(8);
  });

  it('is asked singly when an empty reference brought other records', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      batch: () => ({
        result: {
          item: { item: { id: 915, title: 'T', companyId: 44 } },
          company: { item: { id: 1, title: 'Чужая' } },
        },
        result_error: [],
      }),
    }));
    expect((await port.read()).party?.name).toBe('ООО Ромашка');
  });

  it.each([[null], [false], [[]], ['']])(
    'and prints %j for no link is read as without one, in one hit',
    async (no) => {
      const { port, portal } = await start((methods) => ({ ...methods, 'crm.requisite.link.get': () => no }));
      expect((await port.read()).party).toMatchObject({ id: 44, requisite: { id: 21 } });
      expect(portal.hits).toHaveLength(1);
    },
  );

  it.each([
    ['6', { RQ_BIN: '040140000123', RQ_IIN: '' }, ['040140000123']],
    ['14', { RQ_INN: '123456789012', RQ_EDRPOU: '12345678' }, ['12345678', '123456789012']],
    ['4', { RQ_INN: '193456789' }, ['193456789']],
    ['46', { RQ_VAT_ID: 'DE123456789', RQ_USRLE: 'HRB 1' }, ['DE123456789', 'HRB 1']],
  ])('shows the numbers of country %s', async (country, numbers, ids) => {
    const { port } = await start((methods) => ({
      ...methods,
      'crm.requisite.link.get': () => refuse('', 400, 'Not found'),
      'crm.requisite.preset.list': () => [{ ID: '1', COUNTRY_ID: country }],
      'crm.requisite.list': ({ filter }) => [
        {
          ID: 31,
          PRESET_ID: '1',
          ENTITY_TYPE_ID: filter.ENTITY_TYPE_ID,
          ENTITY_ID: filter.ENTITY_ID,
          ...numbers,
        },
      ],
    }));
    const { party, ownCompany } = await port.read();
    expect(party?.requisite).toMatchObject({ countryId: Number(country), foreignIds: ids });
    const foreignId = ids.find((number) => number !== ('RQ_INN' in numbers ? numbers.RQ_INN : '')) ?? null;
    expect(ownCompany).toMatchObject({ name: 'Мы', foreignId });
  });

  it('names a company without a title by nothing', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      'crm.item.get': (params, ...rest) => {
        const answer = methods['crm.item.get']!(params, ...rest) as { item: Params };
        return Number(params['entityTypeId']) === 4 ? { item: { ...answer.item, title: '' } } : answer;
      },
    }));
    const { party, ownCompany } = await port.read();
    expect([party?.name, ownCompany?.name]).toEqual([null, null]);
  });

  it.each([
    ['crm.requisite.link.get', '', 'Внутренняя ошибка базы данных', 'portal_unavailable'],
    ['crm.requisite.link.get', 'insufficient_scope', 'x', 'portal_access_denied'],
    ['crm.requisite.link.get', 'ACCESS_DENIED', 'Access denied.', 'portal_access_denied'],
    ['user.get', '', 'Внутренняя ошибка базы данных', 'portal_unavailable'],
    ['user.get', 'ACCESS_DENIED', 'Access denied.', 'portal_access_denied'],
  ])('a refusal of %s (%s, %s) is not taken for nothing', async (method, code, text, failure) => {
    const { port } = await start((methods) => ({ ...methods, [method]: () => refuse(code, 400, text) }));
    await expect(port.read()).rejects.toMatchObject({ code: failure });
  });

  it('goes without the responsible where the application may not read users', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      'user.get': () => refuse('insufficient_scope', 403, 'The request requires higher privileges'),
    }));
    expect((await port.read()).users.size).toBe(0);
  });

  it('lists requisites in an order of its own, inactive ones too', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      'crm.requisite.link.get': () => refuse('', 400, 'Not found'),
      'crm.requisite.list': ({ filter }) =>
        [
          { ID: 31, SORT: '300', ACTIVE: 'Y', RQ_INN: '1' },
          { ID: 32, SORT: 20, ACTIVE: 'N', RQ_INN: '2' },
          { ID: 33, SORT: '200', ACTIVE: 'Y', RQ_INN: '3' },
        ].map((row) => ({
          ...row,
          ENTITY_TYPE_ID: Number(filter.ENTITY_TYPE_ID),
          ENTITY_ID: Number(filter.ENTITY_ID),
        })),
    }));
    expect((await port.read()).party?.requisite).toMatchObject({ id: 33, inn: '3' });
  });

  it('is asked for a preset that is not on the first page', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      'crm.requisite.preset.list': ({ filter }) =>
        filter === undefined
          ? Array.from({ length: 50 }, (_, index) => ({ ID: String(index + 100), COUNTRY_ID: '1' }))
          : [{ ID: String(filter.ID), COUNTRY_ID: '4' }],
    }));
    expect((await port.read()).party?.requisite?.countryId).toBe(4);
  });

  it.each([
    ['NOT_FOUND', 400, 'item_not_found'],
    ['ACCESS_DENIED', 403, 'portal_access_denied'],
    ['QUERY_LIMIT_EXCEEDED', 503, 'portal_unavailable'],
  ])('%s becomes %s for the robot', async (code, status, expected) => {
    const { port } = await start((methods) => ({
      ...methods,
      'crm.item.get': () => refuse(code, status as number),
    }));
    await expect(port.read()).rejects.toMatchObject({ name: 'RobotFailure', code: expected });
  });

  it('that fails as a whole is unavailable', async () => {
    const { port } = await start((methods) => ({
      ...methods,
      batch: () => refuse('INTERNAL_SERVER_ERROR', 500),
    }));
    await expect(port.read()).rejects.toMatchObject({ code: 'portal_unavailable', heals: true });
  });
});

describe('a file of the deal', () => {
  const withFile =
    (url: (origin: string) => unknown) =>
    async (status = 200, headers: Record<string, string> = {}) => {
      let at = '';
      const started = await start(
        (methods) => ({
          ...methods,
          'crm.item.get': () => ({
            item: { id: 915, UF_CRM_FILE: url(at), UF_CRM_EMPTY: [], UF_CRM_TEXT: 'x' },
          }),
        }),
        DEAL,
        (req, res) => {
          if (!req.url?.startsWith('/file')) return false;
          expect(req.headers['user-agent']).toContain('directum');
          res
            .writeHead(status, {
              'content-disposition': `attachment; filename*=utf-8''%D0%94%D0%BE%D0%B3.pdf`,
              ...headers,
            })
            .write('bytes');
          if (headers['content-length']) setTimeout(() => res.destroy(), 20);
          else res.end();
          return true;
        },
      );
      at = started.portal.origin;
      return started;
    };
  const plain = withFile((origin) => ({ id: 771, url: '/x', urlMachine: `${origin}/file?auth=secret` }));

  it('streams under its own name', async () => {
    const { port } = await plain();
    const file = await port.openFile('UF_CRM_FILE');
    expect(file).toMatchObject({ name: 'Дог.pdf', size: null });
    const hash = createHash('sha256');
    for await (const part of file.body) hash.update(part);
    expect(hash.digest('hex')).toBe(createHash('sha256').update('bytes').digest('hex'));
  });

  it('can be let go unread or half-read', async () => {
    const { port } = await plain(200, { 'content-length': '999' });
    await (await port.openFile('UF_CRM_FILE')).cancel();
    const file = await port.openFile('UF_CRM_FILE');
    await file.body[Symbol.asyncIterator]().next();
    await file.cancel();
    await new Promise((done) => setTimeout(done, 50));
  });

  it('that breaks off is the portal’s trouble and heals', async () => {
    const { port } = await plain(200, { 'content-length': '999' });
    const file = await port.openFile('UF_CRM_FILE');
    const all = async () => {
      for await (const part of file.body) expect(part.length).toBeGreaterThan(0);
    };
    await expect(all()).rejects.toMatchObject({ code: 'portal_unavailable' });
  });

  it.each(['UF_CRM_NONE', 'UF_CRM_EMPTY', 'UF_CRM_TEXT'])('%s is unusable and named', async (field) => {
    const { port } = await plain();
    await expect(port.openFile(field)).rejects.toMatchObject({
      code: 'file_unusable',
      text: { ru: expect.stringContaining(field) },
    });
  });

  it('is not fetched from another host, redirected or not', async () => {
    const other = await plain();
    const direct = await withFile(() => [{ id: 1, urlMachine: `${other.portal.origin}/file` }])();
    await expect(direct.port.openFile('UF_CRM_FILE')).rejects.toMatchObject({ code: 'file_unusable' });
    const redirected = await plain(302, { location: `${other.portal.origin}/file` });
    await expect(redirected.port.openFile('UF_CRM_FILE')).rejects.toMatchObject({ code: 'file_unusable' });
  });

  it('that the portal refuses is told by its status, without the address', async () => {
    for (const [status, code] of [
      [404, 'file_unusable'],
      [403, 'portal_access_denied'],
      [500, 'portal_unavailable'],
    ] as const) {
      const { port, made } = await plain(status);
      await expect(port.openFile('UF_CRM_FILE')).rejects.toMatchObject({ code });
      expect(made.lines.join()).not.toContain('secret');
    }
  });

  it.each([
    ['attachment; filename="a \\"b\\".pdf"', 'a "b".pdf'],
    ['attachment; filename=plain.docx', 'plain.docx'],
    ['attachment; filename="../../etc/passwd"', 'passwd'],
    [`attachment; filename="x.pdf"; filename*=UTF-8''%D1%8F.pdf`, 'я.pdf'],
    [`attachment; filename="${Buffer.from('я.pdf').toString('latin1')}"`, 'я.pdf'],
    ['inline', null],
  ])('name of %s is %s', (header, name) => {
    expect(fileName(header)).toBe(name);
  });
});
