import { timelineType } from './entities.ts';
import { legacyList } from './rows.ts';
import { int, isObject, legacyError, type Methods, text, upperKeys } from './wire.ts';
import type { World } from './world.ts';

/** Comments of one item, by the vendor's page of `crm.timeline.comment.list`: both keys of the owner are mandatory. */
export function commentMethods(world: World): Methods {
  return {
    'crm.timeline.comment.list': {
      scope: ['crm'],
      run: ({ params }) => {
        const filter = upperKeys(params['filter']);
        const entity = text(isObject(filter) ? filter['ENTITY_TYPE'] : '');
        const type = timelineType(entity);
        const id = int(filter['ENTITY_ID']);
        if (type === undefined || id <= 0)
          throw legacyError('ENTITY_ID and ENTITY_TYPE are not defined or invalid.');
        const rows = (world.timeline.get(`${type}:${id}`) ?? [])
          .filter(({ kind }) => kind === 'comment')
          .map((one) => ({
            ID: text(one.id),
            ENTITY_ID: text(id),
            ENTITY_TYPE: entity,
            COMMENT: one.comment,
            AUTHOR_ID: text(one.authorId),
          }));
        return legacyList(rows, { order: params['order'], select: params['select'], start: params['start'] });
      },
    },
  };
}
