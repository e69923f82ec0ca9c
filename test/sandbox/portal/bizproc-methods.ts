import { resume, stepsOf } from './automation.ts';
import { documentType } from './entities.ts';
import { chosen, matches, page, sorted } from './rows.ts';
import type { Fields } from './types.ts';
import { isObject, isoTime, type Methods, RestError, text, upperKeys } from './wire.ts';
import { isEventTokenSigned, later, type World } from './world.ts';

const APPLY_AFTER_MS = 3;

function demandToken(world: World, given: Fields): string {
  const token = text(given['EVENT_TOKEN']);
  if (!isEventTokenSigned(world, token)) throw new RestError(403, 'ACCESS_DENIED', 'Access denied!');
  return token;
}

/** What a robot's answer meets: `true` says only that the token was well signed. */
export function bizprocMethods(world: World): Methods {
  const stepBy = (token: string) => {
    const workflow = world.workflows.get(token.split('|')[0] ?? '');
    return workflow === undefined ? undefined : stepsOf(workflow).find((step) => step.eventToken === token);
  };
  return {
    'bizproc.event.send': {
      scope: ['bizproc'],
      run: ({ params }) => {
        const given = upperKeys(params);
        const token = demandToken(world, given);
        const values = isObject(given['RETURN_VALUES']) ? given['RETURN_VALUES'] : {};
        const step = stepBy(token);
        if (step !== undefined) step.answers++;
        later(world, APPLY_AFTER_MS, () => resume(world, token, values, text(given['LOG_MESSAGE'])));
        return { result: true };
      },
    },
    'bizproc.activity.log': {
      scope: ['bizproc'],
      run: ({ params }) => {
        const given = upperKeys(params);
        const token = demandToken(world, given);
        if (text(given['LOG_MESSAGE']) === '') {
          throw new RestError(400, 'ERROR_EMPTY_LOG_MESSAGE', 'Empty log message!');
        }
        if (world.workflows.get(token.split('|')[0] ?? '')?.status !== 'running') {
          throw new RestError(
            400,
            404,
            world.language === 'ru' ? 'Бизнес-процесс не найден' : 'The business process is not found',
          );
        }
        const step = stepBy(token);
        if (step?.status === 'waiting') step.log.push(text(given['LOG_MESSAGE']));
        return { result: true };
      },
    },
    'bizproc.workflow.instances': {
      scope: ['bizproc'],
      admin: true,
      run: ({ params }) => {
        const given = upperKeys(params);
        const rows = [...world.workflows.values()]
          .filter((one) => one.status === 'running')
          .map((one) => {
            const type = documentType(one.entityTypeId);
            return {
              ID: one.id,
              MODIFIED: isoTime(one.startedAt),
              OWNED_UNTIL: null,
              MODULE_ID: 'crm',
              ENTITY: type[1],
              DOCUMENT_ID: `${type[2]}_${one.itemId}`,
              STARTED: isoTime(one.startedAt),
              STARTED_BY: '1',
              TEMPLATE_ID: '12',
            };
          })
          .filter((row) => matches(row, given['FILTER'], (key) => key.toUpperCase()));
        const select = given['SELECT'] ?? ['ID', 'MODIFIED', 'OWNED_UNTIL'];
        return page(
          sorted(rows, given['ORDER'], (key) => key).map((row) => chosen(row, select)),
          given['START'],
        );
      },
    },
  };
}
