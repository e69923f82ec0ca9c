import type { Fields } from './types.ts';
import { int, isObject, type Methods, RestError, text, upperKeys } from './wire.ts';
import type { Registration, World } from './world.ts';

const invalid = (words: string): RestError => new RestError(400, 'ERROR_ACTIVITY_VALIDATION_FAILURE', words);
const notFound = (): RestError =>
  new RestError(400, 'ERROR_ACTIVITY_NOT_FOUND', 'Activity or Robot not found!');

function checkCode(value: unknown): string {
  const code = text(value);
  if (code === '') throw invalid('Empty activity code!');
  if (!/^[a-z0-9.\-_]+$/i.test(code)) throw invalid('Wrong activity code!');
  return code;
}

function checkHandler(value: unknown): string {
  const handler = text(value);
  let host = '';
  try {
    const url = new URL(handler);
    if (!/^https?:$/.test(url.protocol)) throw new TypeError('protocol');
    host = url.hostname;
  } catch {
    throw new RestError(400, 'ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported handler protocol');
  }
  if (!host.includes('.')) throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
  return handler;
}

const isEmptyName = (value: unknown): boolean =>
  isObject(value) ? Object.values(value).every((one) => text(one) === '') : text(value) === '';

function checkProperties(value: unknown): Record<string, Fields> {
  if (value === undefined || value === null || value === '') return {};
  if (!isObject(value)) throw invalid('Wrong properties array!');
  const properties: Record<string, Fields> = {};
  for (const [key, descriptor] of Object.entries(value)) {
    if (!/^[a-z][a-z0-9_]*$/i.test(key)) throw invalid(`Wrong property key (${key})!`);
    const upper = upperKeys(descriptor);
    if (isEmptyName(upper['NAME'])) throw invalid(`Empty property NAME (${key})!`);
    properties[key] = upper;
  }
  if (JSON.stringify(properties).length >= 65_535) {
    throw new RestError(400, 'ERROR_ACTIVITY_ADD_FAILURE', 'Activity save error!');
  }
  return properties;
}

function checkFilter(value: unknown): Fields | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (!isObject(value)) throw invalid('Wrong activity FILTER!');
  return upperKeys(value);
}

function checkDocumentType(value: unknown): string[] | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const parts = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  if (
    parts.length !== 3 ||
    !parts.every((one) => typeof one === 'string' && one !== '' && !one.includes('\\\\'))
  ) {
    throw invalid('Wrong activity DOCUMENT_TYPE!');
  }
  return parts as string[];
}

const subscription = (value: unknown): 'Y' | 'N' | '' => {
  const letter = text(value).slice(0, 1);
  return letter === 'Y' || letter === 'N' ? letter : '';
};

/** Binds a robot's own settings page: one address for one robot. */
function placementHandler(world: World, code: string, handler: string): string {
  if (handler === '') throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
  checkHandler(handler);
  const taken = [...world.robots.values()].some(
    (one) => one.code !== code && one.placementHandler.slice(0, 200) === handler.slice(0, 200),
  );
  if (taken || handler.length > 255) {
    throw new RestError(
      400,
      'ERROR_CORE',
      'Unable to set placement handler: use a unique placement handler for each CODE',
    );
  }
  return handler;
}

/** Robots registered by the application; their definition cannot be read back. */
export function robotMethods(world: World): Methods {
  const guard = { scope: ['bizproc'], app: true, admin: true } as const;
  return {
    'bizproc.robot.add': {
      ...guard,
      run: ({ params }) => {
        const { AUTH: _auth, ...given } = upperKeys(params);
        if (Object.keys(given).length === 0) throw invalid('Empty data!');
        const code = checkCode(given['CODE']);
        const handler = checkHandler(given['HANDLER']);
        if (isEmptyName(given['NAME'])) throw invalid('Empty activity NAME!');
        const registration: Registration = {
          code,
          handler,
          authUserId: int(given['AUTH_USER_ID']),
          useSubscription: subscription(given['USE_SUBSCRIPTION']),
          name: given['NAME'],
          properties: checkProperties(given['PROPERTIES']),
          returnProperties: checkProperties(given['RETURN_PROPERTIES']),
          filter: checkFilter(given['FILTER']),
          documentType: checkDocumentType(given['DOCUMENT_TYPE']),
          placementHandler: '',
        };
        if (world.robots.has(code)) {
          throw new RestError(
            400,
            'ERROR_ACTIVITY_ALREADY_INSTALLED',
            'Activity or Robot already installed!',
          );
        }
        if (handler.length > 1000 || code.length > 128) {
          throw new RestError(400, 'ERROR_ACTIVITY_ADD_FAILURE', 'Activity save error!');
        }
        if (text(given['USE_PLACEMENT']) === 'Y') {
          registration.placementHandler = placementHandler(world, code, text(given['PLACEMENT_HANDLER']));
        }
        world.robots.set(code, registration);
        return { result: true };
      },
    },
    'bizproc.robot.update': {
      ...guard,
      run: ({ params }) => {
        const given = upperKeys(params);
        const code = checkCode(given['CODE']);
        const fields = upperKeys(given['FIELDS']);
        const known = world.robots.get(code);
        if (known === undefined) throw notFound();
        const fresh = { ...known };
        let changed = false;
        const change = (key: string, apply: () => void): void => {
          if (!(key in fields)) return;
          apply();
          changed = true;
        };
        change('HANDLER', () => {
          fresh.handler = checkHandler(fields['HANDLER']);
        });
        change('AUTH_USER_ID', () => {
          fresh.authUserId = int(fields['AUTH_USER_ID']);
        });
        change('USE_SUBSCRIPTION', () => {
          fresh.useSubscription = subscription(fields['USE_SUBSCRIPTION']);
        });
        if (!isEmptyName(fields['NAME'])) {
          change('NAME', () => {
            fresh.name = fields['NAME'];
          });
        }
        change('DESCRIPTION', () => undefined);
        change('PROPERTIES', () => {
          fresh.properties = checkProperties(fields['PROPERTIES']);
        });
        change('RETURN_PROPERTIES', () => {
          fresh.returnProperties = checkProperties(fields['RETURN_PROPERTIES']);
        });
        change('FILTER', () => {
          fresh.filter = checkFilter(fields['FILTER']);
        });
        change('DOCUMENT_TYPE', () => {
          fresh.documentType = checkDocumentType(fields['DOCUMENT_TYPE']);
        });
        change('USE_PLACEMENT', () => undefined);
        if (!changed) throw invalid('No fields to update');
        // The address alone decides whether the dialog shows a page; only N takes it away.
        const page = text(fields['PLACEMENT_HANDLER']);
        if (text(fields['USE_PLACEMENT']) === 'N') fresh.placementHandler = '';
        else if (page !== '') fresh.placementHandler = placementHandler(world, code, page);
        world.robots.set(code, fresh);
        return { result: true };
      },
    },
    'bizproc.robot.list': { ...guard, run: () => ({ result: [...world.robots.keys()] }) },
    'bizproc.robot.delete': {
      ...guard,
      run: ({ params }) => {
        if (!world.robots.delete(checkCode(upperKeys(params)['CODE']))) throw notFound();
        return { result: true };
      },
    },
  };
}

/** Whether the admin is offered a robot on this document type (a flat INCLUDE hides it everywhere). */
export function isOffered(registration: Registration, documentType: readonly string[]): boolean {
  const hits = (rule: unknown): boolean => {
    if (typeof rule === 'string') return rule === 'b24';
    const parts = isObject(rule) ? Object.values(rule) : [];
    return parts.length > 0 && parts.every((part, index) => part === documentType[index]);
  };
  const rules = (key: string): unknown[] => {
    const list = registration.filter?.[key];
    return isObject(list) ? Object.values(list) : [];
  };
  const include = rules('INCLUDE');
  return (include.length === 0 || include.some(hits)) && !rules('EXCLUDE').some(hits);
}
