import type { Fields } from './types.ts';
import { int, isObject, type Methods, RestError, text, upperKeys } from './wire.ts';
import { type Grant, nextId, type World } from './world.ts';

/** Tabs in the cards of CRM items, by entityTypeId; a smart process has its number in the code. */
const TABS: Record<number, string> = {
  1: 'CRM_LEAD_DETAIL_TAB',
  2: 'CRM_DEAL_DETAIL_TAB',
  3: 'CRM_CONTACT_DETAIL_TAB',
  4: 'CRM_COMPANY_DETAIL_TAB',
  7: 'CRM_QUOTE_DETAIL_TAB',
  14: 'CRM_ORDER_DETAIL_TAB',
  31: 'CRM_SMART_INVOICE_DETAIL_TAB',
};
const MAIN = 'REST_APP_URI';

export const tabOf = (entityTypeId: number): string =>
  TABS[entityTypeId] ?? `CRM_DYNAMIC_${entityTypeId}_DETAIL_TAB`;

/** Codes that an application with these scopes may bind; those of robots' dialogs are private. */
const codes = (world: World, grant: Grant): string[] =>
  grant.scopes.includes('crm')
    ? [...Object.values(TABS), ...[...world.types.keys()].map(tabOf), MAIN]
    : [MAIN];

function demandText(given: Fields, argument: string): string {
  const value = given[argument];
  if (typeof value === 'string' && value !== '') return value;
  throw new RestError(400, 'ERROR_ARGUMENT', `The value of an argument '${argument}' has an invalid type`, {
    argument,
  });
}

function demandHandler(handler: string): void {
  if (!/^https?:\/\//i.test(handler) || !URL.canParse(handler)) {
    throw new RestError(400, 'ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported handler protocol');
  }
  if (!new URL(handler).hostname.includes('.') || handler.length > 255) {
    throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
  }
}

/** Titles by language; with them the plain title counts for nothing. */
function languages(given: Fields): Record<string, Fields> {
  const all = isObject(given['LANG_ALL']) ? Object.entries(given['LANG_ALL']) : [];
  return Object.fromEntries(
    all
      .filter(([language]) => /^[a-z]{2}$/i.test(language))
      .map(([language, words]) => [language.toLowerCase(), upperKeys(words)]),
  );
}

/** What a user's tab is called: his language, the portal's, the first given, the application. */
export function titleOf(world: World, bound: World['placements'][number], language: string): string {
  const words = bound.langAll[language] ?? bound.langAll[world.language] ?? Object.values(bound.langAll)[0];
  return text(words?.['TITLE'] ?? bound.title) || world.clientId;
}

/** Placements of the application (bitrix24.md F11). */
export function placementMethods(world: World): Methods {
  const guard = { scope: ['placement'], app: true, admin: true } as const;
  return {
    'placement.list': {
      scope: ['placement'],
      app: true,
      run: ({ grant }) => ({ result: codes(world, grant) }),
    },
    'placement.bind': {
      ...guard,
      run: ({ params, grant }) => {
        const given = upperKeys(params);
        const placement = demandText(given, 'PLACEMENT').toUpperCase();
        const handler = demandText(given, 'HANDLER');
        if (!codes(world, grant).includes(placement)) {
          throw new RestError(400, 'ERROR_PLACEMENT_NOT_FOUND', 'Placement not found');
        }
        demandHandler(handler);
        if (int(given['USER_ID']) > 0) {
          throw new RestError(400, 'ERROR_PLACEMENT_USER_MODE', 'User mode is not available');
        }
        const same = world.placements.filter((one) => one.placement === placement);
        if (same.some((one) => one.handler.slice(0, 200) === handler.slice(0, 200))) {
          throw new RestError(400, 'ERROR_CORE', 'Unable to set placement handler: Handler already binded');
        }
        if (placement === MAIN && same.length > 0) {
          throw new RestError(400, 'ERROR_PLACEMENT_MAX_COUNT', 'Maximum count of handlers has been reached');
        }
        world.placements.push({
          id: nextId(world, 'placement', 301),
          placement,
          handler,
          title: text(given['TITLE']),
          description: text(given['DESCRIPTION']),
          langAll: languages(given),
        });
        return { result: true };
      },
    },
    'placement.unbind': {
      ...guard,
      run: ({ params }) => {
        const given = upperKeys(params);
        const placement = demandText(given, 'PLACEMENT').toUpperCase();
        const handler = text(given['HANDLER']);
        const kept = world.placements.filter(
          (one) => one.placement !== placement || (handler !== '' && one.handler !== handler),
        );
        const gone = world.placements.length - kept.length;
        world.placements = kept;
        // The portal counts every removed binding twice.
        return { result: { count: gone * 2 } };
      },
    },
    'placement.get': {
      ...guard,
      run: () => ({
        result: world.placements.map((one) => ({
          id: one.id,
          placement: one.placement,
          userId: 0,
          handler: one.handler,
          options: [],
          title: titleOf(world, one, world.language),
          description: one.description,
          langAll: one.langAll,
        })),
      }),
    },
  };
}
