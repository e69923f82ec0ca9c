import { legacyList } from './rows.ts';
import { int, isObject, type Methods, missing, RestError, text, upperKeys } from './wire.ts';
import { nextId, type World } from './world.ts';

const EVENTS = /^ON(APP(INSTALL|UPDATE|UNINSTALL|TEST)|CRM[A-Z_0-9]+|TASK(ADD|UPDATE|DELETE)|OFFLINEEVENT)$/;

/** Methods about the application itself, its events and notices. */
export function appMethods(world: World, all: () => Methods): Methods {
  const known = (name: string): boolean => name in all() && !world.misbehave.missingMethods.has(name);
  return {
    'app.info': {
      run: ({ grant }) => ({
        result: {
          ID: grant.application === world.clientId ? '17' : '18',
          CODE: grant.application || world.clientId,
          VERSION: world.app.version,
          STATUS: 'L',
          INSTALLED: world.app.installed,
          PAYMENT_EXPIRED: 'N',
          DAYS: null,
          LANGUAGE_ID: world.language,
          LICENSE: 'ru_professional',
        },
      }),
    },
    scope: { run: ({ grant }) => ({ result: [...grant.scopes] }) },
    'method.get': {
      run: ({ params }) => {
        const name = text(params['name']).toLowerCase();
        return { result: { isExisting: known(name), isAvailable: known(name) } };
      },
    },
    methods: {
      run: () => ({
        result: Object.keys(all()).filter((name) => known(name) && !name.startsWith('crm.item.')),
      }),
    },
    'event.bind': {
      app: true,
      run: ({ params }) => {
        const given = upperKeys(params);
        const event = text(given['EVENT']).toUpperCase();
        const handler = text(given['HANDLER']);
        if (event === '') throw missing('EVENT');
        if (!EVENTS.test(event)) throw new RestError(400, 'ERROR_EVENT_NOT_FOUND', 'Event not found');
        if (!/^https?:\/\//i.test(handler)) {
          throw new RestError(400, 'ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported event handler protocol');
        }
        if (!new URL(handler).hostname.includes('.') || handler.length > 255) {
          throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
        }
        const twin = world.events.some(
          (one) => one.event === event && one.handler.slice(0, 180) === handler.slice(0, 180),
        );
        if (twin) {
          throw new RestError(400, 'ERROR_CORE', 'Unable to set event handler: Handler already binded');
        }
        world.events.push({ event, handler, authType: int(given['AUTH_TYPE']) });
        return { result: true };
      },
    },
    'event.unbind': {
      app: true,
      run: ({ params }) => {
        const given = upperKeys(params);
        const gone = world.events.filter(
          (one) =>
            one.event === text(given['EVENT']).toUpperCase() &&
            (given['HANDLER'] === undefined || one.handler === given['HANDLER']),
        );
        world.events = world.events.filter((one) => !gone.includes(one));
        return { result: { count: gone.length } };
      },
    },
    'event.get': {
      app: true,
      run: () => ({
        result: world.events.map((one) => ({
          event: one.event,
          handler: one.handler,
          auth_type: one.authType,
          offline: 0,
        })),
      }),
    },
    'im.notify.system.add': {
      scope: ['im'],
      run: ({ params }) => {
        const given = upperKeys(params);
        const userId = int(given['USER_ID'] ?? given['TO']);
        if (userId <= 0) throw new RestError(400, 'USER_ID_EMPTY', "User ID can't be empty");
        if (text(given['MESSAGE']).trim() === '') {
          throw new RestError(400, 'MESSAGE_EMPTY', "Message can't be empty");
        }
        if (isObject(given['ATTACH']) && JSON.stringify(given['ATTACH']).length > 60_000) {
          throw new RestError(
            400,
            'ATTACH_OVERSIZE',
            'You have exceeded the maximum allowable size of attach',
          );
        }
        const tag = text(given['TAG']);
        if (tag !== '') {
          world.notices = world.notices.filter((one) => one.tag !== tag || one.userId !== userId);
        }
        const id = nextId(world, 'notice');
        world.notices.push({ id, userId, message: text(given['MESSAGE']), tag });
        return { result: id };
      },
    },
    'crm.currency.list': {
      scope: ['crm'],
      run: ({ params }) =>
        legacyList(
          [
            { CURRENCY: 'RUB', AMOUNT_CNT: '1', AMOUNT: '1.0000', BASE: 'Y', SORT: '100' },
            { CURRENCY: 'USD', AMOUNT_CNT: '1', AMOUNT: '90.0000', BASE: 'N', SORT: '200' },
            { CURRENCY: 'EUR', AMOUNT_CNT: '1', AMOUNT: '100.0000', BASE: 'N', SORT: '300' },
          ],
          { order: { SORT: 'ASC' }, ...params },
        ),
    },
  };
}
