import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPANY, DEAL, type Json, mark, type PortalStand, portalStands } from './portal-stand.ts';

/** An id no portal has reached. */
const NOWHERE = 2_147_483_000;
/** A name that resolves nowhere: should a portal ever call it, nobody hears the tokens inside. */
const HANDLER = 'https://contract-suite.invalid';

describe.each(portalStands)('Bitrix24 REST, as $name answers', ({ name, open }) => {
  const live = name === 'a live portal';
  let portal: PortalStand;
  let me: string;

  beforeAll(async () => {
    portal = await open();
    const profile = await portal.call('profile');
    if (profile['result']?.ADMIN !== true)
      throw new Error(
        `contract suite: the token must be an administrator's: ${JSON.stringify(profile).slice(0, 200)}`,
      );
    me = String(profile['result'].ID);
  });

  afterAll(() => portal?.close());

  describe('the application', () => {
    it('is named by app.info: id, code, version, status, installed, language', async () => {
      const { status, result } = await portal.call('app.info');
      expect(status).toBe(200);
      expect(result).toMatchObject({
        CODE: expect.stringMatching(/./),
        STATUS: expect.stringMatching(/^\w$/),
      });
      for (const key of ['ID', 'VERSION', 'INSTALLED', 'LANGUAGE_ID']) expect(result).toHaveProperty(key);
    });

    it.each(['crm.item.get', 'bizproc.robot.add', 'bizproc.event.send', 'bizproc.activity.log'])(
      'has %s on this tariff, as method.get says',
      async (method) => {
        const { result } = await portal.call('method.get', { name: method });
        expect(result).toMatchObject({ isExisting: true, isAvailable: true });
      },
    );

    it('learns from method.get that a method is missing, and gets 404 when it calls it', async () => {
      const { result } = await portal.call('method.get', { name: 'crm.no.such' });
      expect(result).toMatchObject({ isExisting: false });
      const called = await portal.call('crm.no.such');
      expect(called).toMatchObject({ status: 404, error: 'ERROR_METHOD_NOT_FOUND' });
    });

    it('is told the time each answer took, operating time included', async () => {
      const { time } = await portal.call('crm.item.fields', { entityTypeId: DEAL });
      expect(time).toMatchObject({ start: expect.any(Number), duration: expect.any(Number) });
      expect(Number(time.operating ?? 0)).not.toBeNaN();
    });
  });

  describe('a token', () => {
    it('may ride in the header', async () => {
      expect(await portal.bearer('profile')).toMatchObject({ status: 200, result: { ID: me } });
    });

    it('that is missing: 401 NO_AUTH_FOUND', async () => {
      expect(await portal.call('profile', {}, '')).toMatchObject({ status: 401, error: 'NO_AUTH_FOUND' });
    });

    it('that is unknown: 401 invalid_token', async () => {
      const reply = await portal.call('profile', {}, `${mark()}007f${mark()}${mark()}`);
      expect(reply).toMatchObject({ status: 401, error: 'invalid_token' });
    });

    it('past its hour: 401 expired_token', async ({ skip }) => {
      const token = await portal.expiredToken();
      if (token === null) return skip('set CONTRACT_PORTAL_EXPIRED_TOKEN to a token over an hour old');
      expect(await portal.call('profile', {}, token)).toMatchObject({ status: 401, error: 'expired_token' });
    });
  });

  describe.skipIf(live)('a webhook (sandbox only: a portal need not lend us a standing secret)', () => {
    it('cannot touch robots: 403 ACCESS_DENIED, application context required', async () => {
      expect(await portal.webhook?.()).toMatchObject({
        status: 403,
        error: 'ACCESS_DENIED',
        error_description: 'Access denied! Application context required',
      });
    });
  });

  describe('an error', () => {
    it('of crm.item.* about an unknown id is 400 NOT_FOUND with a text', async () => {
      const reply = await portal.call('crm.item.get', { entityTypeId: DEAL, id: NOWHERE });
      expect(reply).toMatchObject({
        status: 400,
        error: 'NOT_FOUND',
        error_description: expect.stringMatching(/./),
      });
      expect(reply).not.toHaveProperty('result');
    });

    it('about a missing argument is 400 with code 100, a number or its text', async () => {
      const reply = await portal.call('crm.item.get', { entityTypeId: DEAL });
      expect(reply['status']).toBe(400);
      expect(String(reply['error'])).toBe('100');
    });

    it('of legacy methods has an empty code: the key is there, the value is not', async () => {
      const company = await portal.call('crm.company.get', { id: NOWHERE });
      expect(company).toMatchObject({ status: 400, error: '', error_description: 'Not found' });
      const requisite = await portal.call('crm.requisite.get', { id: NOWHERE });
      expect(requisite).toMatchObject({ status: 400, error: '' });
    });
  });

  describe('user.get', () => {
    it('finds one user as a list of one, with the id as text', async () => {
      const { result } = await portal.call('user.get', { ID: me });
      expect(result).toEqual([expect.objectContaining({ ID: me, ACTIVE: true })]);
    });

    it('answers an empty list about nobody', async () => {
      expect(await portal.call('user.get', { ID: NOWHERE })).toMatchObject({ status: 200, result: [] });
    });
  });

  describe('a deal', () => {
    let field: string;
    let camel: string;
    let company: number;
    let deal: number;

    beforeAll(async () => {
      field = await portal.makeDealField();
      camel = `ufCrm${field.slice(7, 8)}${field.slice(8).toLowerCase()}`;
      company = await portal.makeCompany();
      deal = await portal.makeDeal({ title: `Contract suite ${mark()}`, companyId: company });
    });

    const get = async (more: object = {}) =>
      (await portal.call('crm.item.get', { entityTypeId: DEAL, id: deal, ...more }))['result'].item;
    const update = (fields: object) =>
      portal.call('crm.item.update', { entityTypeId: DEAL, id: deal, fields, useOriginalUfNames: 'Y' });

    it('shows numbers as numbers, system names in camelCase', async () => {
      const item = await get({ useOriginalUfNames: 'Y' });
      expect(item).toMatchObject({ id: deal, companyId: company, title: expect.stringMatching(/./) });
      expect(item).toHaveProperty('stageId');
      expect(item).toHaveProperty('mycompanyId');
    });

    it('shows user fields by their own names with useOriginalUfNames, else in camelCase', async () => {
      const original = await get({ useOriginalUfNames: 'Y' });
      expect(original).toHaveProperty(field);
      expect(original).not.toHaveProperty(camel);
      const converted = await get();
      expect(converted).toHaveProperty(camel);
      expect(converted).not.toHaveProperty(field);
    });

    it('takes a user field by its own name', async () => {
      expect(await update({ [field]: 'Д-17' })).toMatchObject({ status: 200 });
      expect((await get({ useOriginalUfNames: 'Y' }))[field]).toBe('Д-17');
    });

    it('ignores a field nobody declared, without a word', async () => {
      const reply = await update({ UF_CRM_NOSUCHFIELD: '1' });
      expect(reply['status']).toBe(200);
      expect(reply['result'].item).not.toHaveProperty('UF_CRM_NOSUCHFIELD');
    });

    it('is listed whole with select *, and an explicit select loses system fields under original names', async () => {
      const list = async (select: string[]) => {
        const filter = { id: deal };
        const params = { entityTypeId: DEAL, filter, select, useOriginalUfNames: 'Y' };
        return (await portal.call('crm.item.list', params))['result'].items;
      };
      expect(await list(['*'])).toMatchObject([{ id: deal, companyId: company }]);
      expect((await list(['title', field]))[0]).not.toHaveProperty('title');
    });

    it('lists its comments by its type and id, the newest first', async () => {
      const owner = { ENTITY_ID: deal, ENTITY_TYPE: 'deal' };
      const texts = [`${mark()} first`, `${mark()} second`];
      for (const COMMENT of texts) {
        const made = await portal.call('crm.timeline.comment.add', { fields: { ...owner, COMMENT } });
        expect(Number(made['result'])).toBeGreaterThan(0);
      }
      const listed = await portal.call('crm.timeline.comment.list', {
        filter: owner,
        select: ['ID', 'COMMENT'],
        order: { ID: 'DESC' },
      });
      expect(listed['result'].slice(0, 2)).toMatchObject(texts.toReversed().map((COMMENT) => ({ COMMENT })));
    });

    describe('among many', () => {
      const list = (more: object) => portal.call('crm.item.list', { entityTypeId: DEAL, ...more });

      it('is listed by ids, and start -1 leaves out total and next', async () => {
        const other = await portal.makeDeal({ title: `Contract suite ${mark()}` });
        const filter = { '@id': [deal, other, NOWHERE] };
        const counted = await list({ filter, select: ['id'], order: { id: 'DESC' } });
        expect(counted['result'].items.map((one: Json) => one['id'])).toEqual([other, deal]);
        expect(counted['total']).toBe(2);
        const uncounted = await list({ filter, select: ['id'], start: -1 });
        expect(uncounted['result'].items).toHaveLength(2);
        expect(uncounted).not.toHaveProperty('total');
      });

      it('is refused by a filter or an order with a name nobody knows', async () => {
        const refusal = { status: 400, error: 'INVALID_ARG_VALUE' };
        expect(await list({ filter: { nosuchfield: 1 } })).toMatchObject(refusal);
        expect(await list({ order: { nosuchfield: 'ASC' } })).toMatchObject(refusal);
      });
    });

    describe('and requisites', () => {
      let requisite: number;

      beforeAll(async () => {
        requisite = await portal.makeRequisite(company, { RQ_INN: '7707083893', RQ_KPP: '770701001' });
      });

      it('are listed by their company as rows of text', async () => {
        const filter = { ENTITY_TYPE_ID: COMPANY, ENTITY_ID: company };
        const { result } = await portal.call('crm.requisite.list', { filter, select: ['*'] });
        expect(result).toMatchObject([
          { ID: String(requisite), RQ_INN: '7707083893', RQ_KPP: '770701001', PRESET_ID: expect.any(String) },
        ]);
      });

      it('chosen on the deal are told by crm.requisite.link.get', async () => {
        await portal.linkRequisite(deal, requisite);
        const link = { entityTypeId: DEAL, entityId: deal };
        const { result } = await portal.call('crm.requisite.link.get', link);
        expect(Number(result.REQUISITE_ID)).toBe(requisite);
        expect(Number(result.MC_REQUISITE_ID)).toBe(0);
      });

      it('are listed by many owners beside one scalar type; a list of types is refused', async () => {
        const list = (filter: object) => portal.call('crm.requisite.list', { filter, order: { ID: 'ASC' } });
        const { result } = await list({ ENTITY_TYPE_ID: COMPANY, '@ENTITY_ID': [company, NOWHERE] });
        expect(result).toMatchObject([{ ID: String(requisite) }]);
        const refused = await list({ ENTITY_TYPE_ID: [3, COMPANY], '@ENTITY_ID': [company] });
        expect(refused).toMatchObject({ status: 400, error: '', error_description: 'Access denied.' });
      });

      it('are counted with start -1 too', async () => {
        const filter = { ENTITY_TYPE_ID: COMPANY, '@ENTITY_ID': [company] };
        expect(await portal.call('crm.requisite.list', { filter, start: -1 })).toHaveProperty('total', 1);
      });

      it('chosen on many deals are listed by @ENTITY_ID; a deal without a choice has no row', async () => {
        await portal.linkRequisite(deal, requisite);
        const filter = { ENTITY_TYPE_ID: DEAL, '@ENTITY_ID': [deal, NOWHERE] };
        const { result } = await portal.call('crm.requisite.link.list', { filter });
        expect(result).toMatchObject([{ ENTITY_ID: String(deal), REQUISITE_ID: String(requisite) }]);
      });

      it('never chosen: crm.requisite.link.get is an error with an empty code', async () => {
        const bare = await portal.makeDeal({ title: `Contract suite ${mark()}` });
        const reply = await portal.call('crm.requisite.link.get', { entityTypeId: DEAL, entityId: bare });
        expect(reply).toMatchObject({ status: 400, error: '' });
      });

      it('chosen on the deal are reached in one batch (page L10: nobody has seen it live)', async () => {
        await portal.linkRequisite(deal, requisite);
        const { result } = await portal.call('batch', {
          halt: 0,
          cmd: {
            link: `crm.requisite.link.get?entityTypeId=${DEAL}&entityId=${deal}`,
            linked: 'crm.requisite.get?id=$result[link][REQUISITE_ID]',
          },
        });
        expect(result.result.linked).toMatchObject({ ID: String(requisite) });
      });
    });

    describe('and its documents from templates', () => {
      const generator = (method: string, params: object) =>
        portal.call(`crm.documentgenerator.${method}`, params);

      it('are a list, and none at first', async () => {
        const filter = { entityTypeId: DEAL, entityId: deal };
        const listed = await generator('document.list', { filter });
        expect(listed['result'].documents).toEqual([]);
        expect(listed['total']).toBe(0);
      });

      it('are refused with the code 100 without a template, with 0 of one nobody has', async () => {
        const add = (templateId?: number) =>
          generator('document.add', { templateId, entityTypeId: DEAL, entityId: deal });
        for (const [reply, code] of [
          [await add(), '100'],
          [await add(NOWHERE), '0'],
        ] as const) {
          expect(reply['status']).toBe(400);
          expect(String(reply['error'])).toBe(code);
        }
      });

      it('have templates in a map by id, which is a list when there are none', async () => {
        const { result } = await generator('template.list', { filter: { entityTypeId: ['2'] } });
        for (const [id, template] of Object.entries<Json>(result.templates))
          expect(template).toMatchObject({ id, name: expect.stringMatching(/./) });
      });

      it('nobody made: get is 400 with a text', async () => {
        expect(await generator('document.get', { id: NOWHERE })).toMatchObject({
          status: 400,
          error_description: expect.stringMatching(/not found/i),
        });
      });
    });

    describe('in a batch', () => {
      const batch = (cmd: object, halt = 0) => portal.call('batch', { halt, cmd });
      const dealGet = () => `crm.item.get?entityTypeId=${DEAL}&id=${deal}&useOriginalUfNames=Y`;

      it('gives later commands its values by $result, plain and encoded', async () => {
        const { status, result } = await batch({
          item: dealGet(),
          plain: `crm.item.get?entityTypeId=${COMPANY}&id=$result[item][item][companyId]`,
          encoded: `crm.item.get?entityTypeId=${COMPANY}&id=%24result%5Bitem%5D%5Bitem%5D%5BcompanyId%5D`,
        });
        expect(status).toBe(200);
        expect(result.result.plain.item.id).toBe(company);
        expect(result.result.encoded.item.id).toBe(company);
        expect(result.result_error).toEqual([]);
      });

      it('fails alone when a reference names nothing that could be an id, and the rest go on', async () => {
        const { result } = await batch({
          item: dealGet(),
          lost: `crm.item.get?entityTypeId=${COMPANY}&id=$result[item][item][nothing]`,
          after: 'profile',
        });
        expect(Object.keys(result.result_error)).toEqual(['lost']);
        expect(result.result.after.ID).toBe(me);
      });
    });
  });

  describe('a batch', () => {
    const batch = (cmd: object, halt = 0) => portal.call('batch', { halt, cmd });

    it('is 200 even when every command failed; result_error names each with code and text', async () => {
      const { status, result } = await batch({
        a: `crm.item.get?entityTypeId=${DEAL}&id=${NOWHERE}`,
        b: `crm.company.get?id=${NOWHERE}`,
      });
      expect(status).toBe(200);
      expect(result.result).toEqual([]);
      expect(result.result_error.a).toMatchObject({
        error: 'NOT_FOUND',
        error_description: expect.any(String),
      });
      expect(result.result_error.b).toMatchObject({ error: '' });
    });

    it('goes on without halt and stops with it', async () => {
      const cmd = { bad: `crm.item.get?entityTypeId=${DEAL}&id=${NOWHERE}`, good: 'profile' };
      expect((await batch(cmd))['result'].result).toHaveProperty('good');
      expect((await batch(cmd, 1))['result'].result).not.toHaveProperty('good');
    });

    it('refuses a batch inside, and only that command', async () => {
      const { result } = await batch({ inner: 'batch?cmd[a]=profile', good: 'profile' });
      expect(result.result_error.inner).toMatchObject({ error: 'ERROR_BATCH_METHOD_NOT_ALLOWED' });
      expect(result.result).toHaveProperty('good');
    });

    it('takes 50 commands, and the 51st fails alone', async () => {
      const many = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, at) => [`c${at}`, 'profile']));
      expect(Object.keys((await batch(many(50)))['result'].result)).toHaveLength(50);
      const { status, result } = await batch(many(51));
      expect(status).toBe(200);
      expect(Object.keys(result.result)).toHaveLength(50);
      expect(result.result_error).toMatchObject({ c50: { error: 'ERROR_BATCH_LENGTH_EXCEEDED' } });
    });
  });

  describe('a robot', () => {
    const code = `drx_contract_${mark()}`;
    const robot = (more: object = {}) => ({
      CODE: code,
      HANDLER: `${HANDLER}/robots/${code}`,
      AUTH_USER_ID: Number(me),
      USE_SUBSCRIPTION: 'Y',
      NAME: { ru: 'Проверка договора', en: 'Contract suite' },
      PROPERTIES: { subject: { Name: { ru: 'Предмет', en: 'Subject' }, Type: 'string' } },
      RETURN_PROPERTIES: { outcome: { Name: { ru: 'Итог', en: 'Outcome' }, Type: 'string' } },
      FILTER: { INCLUDE: [['crm', 'CCrmDocumentDeal']] },
      ...more,
    });
    const add = async (more: object = {}) => {
      const reply = await portal.call('bizproc.robot.add', robot(more));
      if (reply['result'] === true) {
        const made = (robot(more) as { CODE: string }).CODE;
        portal.traces.add(`robot ${made}`, async () => {
          const { error } = await remove(made);
          if (error !== undefined && error !== 'ERROR_ACTIVITY_NOT_FOUND') throw new Error(error);
        });
      }
      return reply;
    };
    const change = (FIELDS: object, CODE = code) => portal.call('bizproc.robot.update', { CODE, FIELDS });
    const remove = (CODE = code) => portal.call('bizproc.robot.delete', { CODE });

    it('is added once; a second time 400 ERROR_ACTIVITY_ALREADY_INSTALLED', async () => {
      await remove();
      expect(await add()).toMatchObject({ status: 200, result: true });
      expect(await add()).toMatchObject({ status: 400, error: 'ERROR_ACTIVITY_ALREADY_INSTALLED' });
    });

    it('is listed as its bare code', async () => {
      await add();
      const { result } = await portal.call('bizproc.robot.list');
      expect(result).toContain(code);
      expect(result.every((one: unknown) => typeof one === 'string')).toBe(true);
    });

    it('is updated, but not by nothing', async () => {
      await add();
      const fields = { ...robot(), CODE: undefined, NAME: { ru: 'Иначе', en: 'Other' } };
      expect(await change(fields)).toMatchObject({ status: 200, result: true });
      expect(await change({})).toMatchObject({ status: 400, error: 'ERROR_ACTIVITY_VALIDATION_FAILURE' });
    });

    it('that was never added: update and delete are 400 ERROR_ACTIVITY_NOT_FOUND', async () => {
      const missing = { status: 400, error: 'ERROR_ACTIVITY_NOT_FOUND' };
      expect(await change({ USE_SUBSCRIPTION: 'Y' }, `${code}_never`)).toMatchObject(missing);
      expect(await remove(`${code}_never`)).toMatchObject(missing);
    });

    it('is deleted once', async () => {
      await add();
      expect(await remove()).toMatchObject({ status: 200, result: true });
      expect(await remove()).toMatchObject({ status: 400, error: 'ERROR_ACTIVITY_NOT_FOUND' });
    });

    it.each([
      ['a code with a space', { CODE: 'a b' }, 'ERROR_ACTIVITY_VALIDATION_FAILURE'],
      ['no name', { CODE: `${code}_x`, NAME: '' }, 'ERROR_ACTIVITY_VALIDATION_FAILURE'],
      [
        'a property key that starts with a digit',
        { CODE: `${code}_x`, PROPERTIES: { '1st': { Name: 'One', Type: 'string' } } },
        'ERROR_ACTIVITY_VALIDATION_FAILURE',
      ],
      [
        'a handler without a dot in its host',
        { CODE: `${code}_x`, HANDLER: 'https://localhost/x' },
        'ERROR_WRONG_HANDLER_URL',
      ],
      [
        'a handler that is no web address',
        { CODE: `${code}_x`, HANDLER: 'ftp://contract-suite.invalid/x' },
        'ERROR_UNSUPPORTED_PROTOCOL',
      ],
    ])('is refused with %s', async (_what, more, error) => {
      expect(await add(more)).toMatchObject({ status: 400, error });
    });

    it.each(['bizproc.event.send', 'bizproc.activity.log'])(
      'cannot be answered by %s with a token nobody signed: 403 ACCESS_DENIED',
      async (method) => {
        const params = {
          EVENT_TOKEN: `${mark()}|A1_1_1_1|${mark()}.${mark()}`,
          LOG_MESSAGE: 'contract suite',
        };
        expect(await portal.call(method, params)).toMatchObject({ status: 403, error: 'ACCESS_DENIED' });
      },
    );

    it('is told by an empty message, also in a batch, that nobody signed a token (D3)', async () => {
      const token = `${mark()}|A1_1_1_1|${mark()}.${mark()}`;
      const refusal = { error: 'ACCESS_DENIED', error_description: 'Access denied!' };
      const params = { EVENT_TOKEN: token, LOG_MESSAGE: '' };
      expect(await portal.call('bizproc.activity.log', params)).toMatchObject({ status: 403, ...refusal });
      const query = new URLSearchParams(params);
      const { result } = await portal.call('batch', {
        cmd: { proof: `bizproc.activity.log?${query}`, witness: 'profile' },
      });
      expect(result).toMatchObject({ result: { witness: { ID: me } }, result_error: { proof: refusal } });
    });
  });

  describe('an event', () => {
    const event = 'ONCRMCURRENCYDELETE';
    const handler = `${HANDLER}/events/${mark()}`;
    const bind = (name = event) => portal.call('event.bind', { event: name, handler });
    const unbind = () => portal.call('event.unbind', { event, handler });

    it('is bound once; a second time 400 ERROR_CORE "already binded", which means done', async () => {
      portal.traces.add(`event ${event} to ${handler}`, unbind);
      expect(await bind()).toMatchObject({ status: 200, result: true });
      expect(await bind()).toMatchObject({
        status: 400,
        error: 'ERROR_CORE',
        error_description: expect.stringContaining('already binded'),
      });
      const { result } = await portal.call('event.get');
      expect(result).toContainEqual(expect.objectContaining({ event, handler }));
      expect(await unbind()).toMatchObject({ result: { count: 1 } });
    });

    it('nobody knows: 400 ERROR_EVENT_NOT_FOUND', async () => {
      expect(await bind('ONNOSUCHEVENT')).toMatchObject({ status: 400, error: 'ERROR_EVENT_NOT_FOUND' });
    });
  });

  describe('a placement', () => {
    const PLACEMENT = 'CRM_DEAL_DETAIL_TAB';
    const tab = { PLACEMENT, HANDLER: `${HANDLER}/tab/${mark()}` };
    const bind = (more: object = {}) => portal.call('placement.bind', { ...tab, ...more });
    const unbind = () => portal.call('placement.unbind', tab);

    it('for deals is offered to the application', async () => {
      const { result } = await portal.call('placement.list');
      expect(result).toContain(PLACEMENT);
    });

    it('is bound once, listed with its titles, and counted twice when it goes', async () => {
      portal.traces.add(`placement ${PLACEMENT} to ${tab.HANDLER}`, unbind);
      const LANG_ALL = { ru: { TITLE: 'Проверка' }, en: { TITLE: 'Contract suite' } };
      expect(await bind({ LANG_ALL })).toMatchObject({ status: 200, result: true });
      expect(await bind()).toMatchObject({
        status: 400,
        error: 'ERROR_CORE',
        error_description: expect.stringContaining('already binded'),
      });
      const { result } = await portal.call('placement.get');
      const ours = result.find((one: Json) => one['handler'] === tab.HANDLER);
      expect(ours).toMatchObject({ placement: PLACEMENT, langAll: { en: { TITLE: 'Contract suite' } } });
      expect(await unbind()).toMatchObject({ result: { count: 2 } });
      expect(await unbind()).toMatchObject({ result: { count: 0 } });
    });

    it.each([
      ['nobody knows', { PLACEMENT: 'CRM_NO_SUCH_TAB' }, 'ERROR_PLACEMENT_NOT_FOUND'],
      [
        "that is a robot's own",
        { PLACEMENT: 'BIZPROC_ACTIVITY_PROPERTIES_DIALOG' },
        'ERROR_PLACEMENT_NOT_FOUND',
      ],
      ['without a name', { PLACEMENT: '' }, 'ERROR_ARGUMENT'],
      ['at an address without a dot', { HANDLER: 'https://localhost/x' }, 'ERROR_WRONG_HANDLER_URL'],
    ])('%s is refused', async (_what, more, error) => {
      expect(await bind(more)).toMatchObject({ status: 400, error });
    });
  });

  describe('people', () => {
    it("are told by user.current as the token's owner, with his departments and without rights", async () => {
      const { result } = await portal.call('user.current');
      expect(result).toMatchObject({ ID: me, UF_DEPARTMENT: expect.any(Array) });
      expect(result).not.toHaveProperty('ADMIN');
    });

    it('are listed by many ids; an empty list has no total', async () => {
      const list = (ids: unknown[]) =>
        portal.call('user.get', { FILTER: { ID: ids }, sort: 'ID', order: 'ASC' });
      expect((await list([me, NOWHERE]))['result']).toMatchObject([{ ID: me }]);
      const none = await list([NOWHERE]);
      expect(none['result']).toEqual([]);
      expect(none).not.toHaveProperty('total');
    });

    it('work in departments that have an id, a name and a parent', async () => {
      const { result } = await portal.call('department.get');
      expect(result[0]).toMatchObject({ ID: expect.anything(), NAME: expect.stringMatching(/./) });
      expect(result.length).toBeGreaterThan(0);
    });
  });
});
