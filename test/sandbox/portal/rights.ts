import { RestError } from './wire.ts';
import { isAdmin, type World } from './world.ts';

export const mayReadType = (world: World, userId: number, entityTypeId: number): boolean =>
  world.closed.get(userId)?.has(entityTypeId) !== true;

/** Everybody may read everything but what a test took from him, administrators too. */
export const mayRead = (world: World, userId: number, entityTypeId: number, id: number): boolean =>
  mayReadType(world, userId, entityTypeId) && world.hidden.get(userId)?.has(`${entityTypeId}:${id}`) !== true;

/** CRM is for those who stand in the company's structure; administrators pass without (bitrix24.md A2b). */
export function demandInside(world: World, userId: number): void {
  const user = world.users.get(userId) ?? {};
  const departments = user['UF_DEPARTMENT'];
  const inside = user['USER_TYPE'] === 'employee' && Array.isArray(departments) && departments.length > 0;
  if (inside || isAdmin(world, userId)) return;
  throw new RestError(403, 'allowed_only_intranet_user', 'Действие разрешено только интранет-пользователям');
}

/** Takes rights to read from a person and gives them back. */
export function createRights(world: World) {
  const setOf = <T>(map: Map<number, Set<T>>, userId: number): Set<T> => {
    const known = map.get(userId) ?? new Set<T>();
    map.set(userId, known);
    return known;
  };
  return {
    hide: (userId: number, entityTypeId: number, ...ids: number[]): void => {
      for (const id of ids) setOf(world.hidden, userId).add(`${entityTypeId}:${id}`);
    },
    show: (userId: number, entityTypeId: number, ...ids: number[]): void => {
      for (const id of ids) setOf(world.hidden, userId).delete(`${entityTypeId}:${id}`);
    },
    /** No right to read any item of the type. */
    closeType: (userId: number, entityTypeId: number): void =>
      void setOf(world.closed, userId).add(entityTypeId),
    openType: (userId: number, entityTypeId: number): void =>
      void setOf(world.closed, userId).delete(entityTypeId),
    /** What he may not do with documents made from templates. */
    closeDocuments: (userId: number, ...what: ('templates' | 'create' | 'view')[]): void => {
      for (const one of what) setOf(world.generator.lacking, userId).add(one);
    },
  };
}
