import { filterKeys, listParams, matches, page, sorted } from './rows.ts';
import type { Fields } from './types.ts';
import { asList, int, isObject, type Methods, type Reply, text, upperKeys } from './wire.ts';
import { type Grant, isActive, isAdmin, type World } from './world.ts';

const USER_SCOPES = ['user', 'user_basic', 'user_brief'];
const BRIEF =
  'ID XML_ID ACTIVE NAME LAST_NAME SECOND_NAME TITLE IS_ONLINE TIME_ZONE WORK_POSITION UF_DEPARTMENT USER_TYPE'.split(
    ' ',
  );
const BASIC = [...BRIEF, ...'EMAIL PERSONAL_PHONE PERSONAL_MOBILE WORK_PHONE PERSONAL_PHOTO'.split(' ')];
/** Kinds of users that no list shows. */
const UNLISTED = new Set(['bot', 'email', 'imconnector', 'integrator', 'system']);
const PREFIXES = new Set(['', '@', '!@', '=', '!=', '!', '>', '<', '>=', '<=', '%']);

/** The names a scope knows; the widest one also knows what a test has put into the row. */
function namesOf(grant: Grant, user: Fields = {}): string[] {
  if (grant.scopes.includes('user'))
    return [...new Set([...BASIC, ...Object.keys(user)])].filter((name) => name !== 'ADMIN');
  return grant.scopes.includes('user_basic') ? BASIC : BRIEF;
}

const userRow = (grant: Grant, user: Fields): Fields =>
  Object.fromEntries(
    namesOf(grant, user)
      .filter((name) => name in user)
      .map((name) => [name, user[name]]),
  );

const departmentsOf = (user: Fields | undefined): unknown[] => asList(user?.['UF_DEPARTMENT']);

/** Whom a token sees: guests only themselves, others nobody without a department, unless an administrator asks for all (bitrix24.md F5a, A2b). */
function isSeen(world: World, grant: Grant, user: Fields, all: boolean): boolean {
  if (UNLISTED.has(text(user['USER_TYPE']))) return false;
  if (all || int(user['ID']) === grant.userId) return true;
  const isGuest = departmentsOf(world.users.get(grant.userId)).length === 0 && !isAdmin(world, grant.userId);
  return !isGuest && departmentsOf(user).length > 0;
}

const truth = (value: unknown): string => (['true', '1', 'Y'].includes(String(value)) ? 'Y' : '');

/** A filter of user.get: beside FILTER nothing counts; what the scope does not know is dropped and widens the list. */
function userFilter(world: World, grant: Grant, params: Fields): Fields {
  const { FILTER, SORT: _sort, ORDER: _order, START: _start, ...direct } = upperKeys(params);
  const names = new Set([...world.users.values()].flatMap((user) => namesOf(grant, user)));
  const given = isObject(FILTER) ? upperKeys(FILTER) : direct;
  const kept = filterKeys(given).flatMap(({ operator, name }, index) => {
    if (!PREFIXES.has(operator) || !names.has(name)) return [];
    const value = Object.values(given)[index];
    return [[`${operator}${name}`, name === 'ACTIVE' ? truth(value) : value]];
  });
  return Object.fromEntries(kept);
}

function listUsers(world: World, grant: Grant, params: Fields): Reply {
  const { SORT, ORDER, START, SELECT, ADMIN_MODE } = upperKeys(params);
  const all = truth(ADMIN_MODE) === 'Y' && isAdmin(world, grant.userId);
  const filter = userFilter(world, grant, params);
  const found = [...world.users.values()].filter(
    (user) => isSeen(world, grant, user, all) && matches({ ...user, ACTIVE: truth(user['ACTIVE']) }, filter),
  );
  // Without both of them no order is promised: the newest come first here, so that nobody counts on ids.
  const ordered =
    SORT === undefined || ORDER === undefined
      ? found.reverse()
      : sorted(found, { [text(SORT).toUpperCase()]: text(ORDER) }, (key) => key);
  const wanted = asList(SELECT).map(text);
  const rows = ordered.map((user) => {
    const row = userRow(grant, user);
    if (wanted.length === 0 || wanted.includes('*')) return row;
    return Object.fromEntries(Object.entries(row).filter(([name]) => wanted.includes(name)));
  });
  const reply = page(rows, START);
  if (rows.length === 0) return { result: [] };
  return int(START) < 0 ? { ...reply, total: 0 } : reply;
}

/** Departments in the order of the tree, parents before their children. */
function tree(world: World, parent = ''): Fields[] {
  return [...world.departments.values()]
    .filter((one) => text(one['PARENT']) === parent)
    .flatMap((one) => [one, ...tree(world, text(one['ID']))]);
}

function listDepartments(world: World, params: Fields): Reply {
  const { start } = listParams(params);
  // Only upper-case keys count, at the top or in FILTER; a name is exact and never a list.
  const given = isObject(params['FILTER']) ? (params['FILTER'] as Fields) : params;
  const filter = Object.fromEntries(
    ['ID', 'NAME', 'PARENT', 'UF_HEAD']
      .filter((key) => given[key] !== undefined && !(key === 'NAME' && isObject(given[key])))
      .map((key) => [key, given[key]]),
  );
  const found = tree(world).filter((one) => one['ACTIVE'] !== 'N' && matches(one, filter));
  const sort = params['sort'] ?? params['SORT'];
  const order = params['order'] ?? params['ORDER'];
  const rows = sort === undefined ? found : sorted(found, { [text(sort)]: text(order) }, (key) => key);
  return page(
    rows.map(({ ACTIVE: _active, ...row }) => row),
    start,
  );
}

/** Who the token's owner is, who else works here, and where. */
export function peopleMethods(world: World): Methods {
  return {
    profile: {
      run: ({ grant: { userId } }) => {
        const user = world.users.get(userId) ?? {};
        if (!isActive(world, userId)) return { result: [] };
        return {
          result: {
            ID: String(userId),
            ADMIN: isAdmin(world, userId),
            NAME: user['NAME'],
            LAST_NAME: user['LAST_NAME'],
            PERSONAL_GENDER: '',
            TIME_ZONE: '',
          },
        };
      },
    },
    'user.current': {
      scope: USER_SCOPES,
      run: ({ grant }) => ({ result: userRow(grant, world.users.get(grant.userId) ?? {}) }),
    },
    'user.admin': { run: ({ grant }) => ({ result: isAdmin(world, grant.userId) }) },
    'user.get': { scope: USER_SCOPES, run: ({ params, grant }) => listUsers(world, grant, params) },
    'department.get': { scope: ['department'], run: ({ params }) => listDepartments(world, params) },
  };
}
