import { z } from 'zod';
import type { LocalText } from '../../robot/failure.ts';
import { hasScope } from '../auth/installation.ts';
import { fieldsCommand } from '../crm/item-fields.ts';
import { DEAL_ENTITY, DEAL_LIST, DEAL_TYPE, type FieldFacts, readFacts } from '../deal/fields/field-facts.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { isPassing } from '../rest/writes.ts';

/** What the portal has of ours. */
export interface Listed {
  robots: string[];
  /** Null where the portal does not list them, and then `problems` says why. */
  triggers: string[] | null;
  fields: FieldFacts | null;
  problems: ItemFailure[];
}

/** Something that could not be registered although robots could, in words for the administrator. */
export interface ItemFailure {
  kind: 'trigger' | 'field';
  code: string;
  error: string;
  text: LocalText;
  /** The application was not given the scope, or the plan has no such method: the feature is off, nothing is wrong. */
  off: boolean;
}

/** Questions that a plan is made of; they fit into one batch (bitrix24.md B1, F1, F6, F9). */
export const LIST_COMMANDS = {
  robots: { method: 'bizproc.robot.list', params: {} },
  triggers: { method: 'crm.automation.trigger.list', params: {} },
  fields: fieldsCommand(DEAL_TYPE),
  list: DEAL_LIST,
} satisfies Record<string, BatchCommand>;

const triggersShape = z
  .array(z.unknown())
  .transform((rows) => rows.flatMap((row) => z.object({ CODE: z.string() }).safeParse(row).data?.CODE ?? []));

/** Reads the answers about triggers and fields; robots are the caller's, without them nothing goes on. */
export function readListed(
  robots: string[],
  answers: { triggers: BatchAnswer; fields: BatchAnswer; list: BatchAnswer },
  scopes: readonly string[],
): Listed {
  const listed: Listed = { robots, triggers: null, fields: null, problems: [] };
  const triggers = answers.triggers.ok ? triggersShape.safeParse(answers.triggers.result) : null;
  if (triggers?.success) listed.triggers = triggers.data;
  else listed.problems.push(toFailure('trigger', 'triggers', answers.triggers));
  if (scopes.length > 0 && !hasScope(scopes, 'userfieldconfig')) {
    const missing = { error: 'insufficient_scope', description: '', kind: 'access', retry: false } as const;
    listed.problems.push(toFailure('field', 'fields', { ok: false, ...missing }));
    return listed;
  }
  listed.fields = readFacts(DEAL_ENTITY, answers.fields, answers.list);
  if (listed.fields === null) listed.problems.push(toFailure('field', 'fields', answers.fields));
  return listed;
}

const WHAT = {
  trigger: { ru: 'Триггер', en: 'Trigger', all: { ru: 'Триггеры', en: 'Triggers' } },
  field: { ru: 'Поле', en: 'Field', all: { ru: 'Поля', en: 'Fields' } },
} as const;
const SCOPES = { trigger: 'crm', field: 'userfieldconfig' } as const;

/** A refusal in plain words; `code` may stand for all items of the kind (`triggers`, `fields`). */
export function toFailure(kind: ItemFailure['kind'], code: string, answer: BatchAnswer): ItemFailure {
  const error = answer.ok ? 'UNREADABLE' : answer.error;
  const words = answer.ok ? '' : answer.description;
  const why = explainRefusal(kind, error, words);
  const all = code === 'triggers' || code === 'fields';
  const what = WHAT[kind];
  return {
    kind,
    code,
    error,
    text: all
      ? {
          ru: `${what.all.ru} Directum не добавлены. ${why.ru}`,
          en: `${what.all.en} of Directum are not added. ${why.en}`,
        }
      : {
          ru: `${what.ru} ${code}: не добавлено. ${why.ru}`,
          en: `${what.en} ${code} is not added. ${why.en}`,
        },
    off: !answer.ok && !isPassing(answer) && ['insufficient_scope', 'ERROR_METHOD_NOT_FOUND'].includes(error),
  };
}

function explainRefusal(kind: ItemFailure['kind'], error: string, words: string): LocalText {
  if (error === 'insufficient_scope') {
    return {
      ru: `Приложению не выдано право ${SCOPES[kind]}: добавьте его в карточке приложения и откройте её ещё раз.`,
      en: `The application was not given the permission ${SCOPES[kind]}: add it in the application's card and open it again.`,
    };
  }
  if (error === 'ERROR_METHOD_NOT_FOUND') {
    return {
      ru: 'На тарифе или в версии портала нет такой возможности.',
      en: 'The plan or the version of the portal does not have this feature.',
    };
  }
  if (error === 'ACCESS_DENIED') {
    return {
      ru: 'У сотрудника, который установил приложение, нет прав на настройки CRM: нужен администратор портала.',
      en: 'The person who installed the application may not change the settings of CRM: an administrator is needed.',
    };
  }
  const tail = [error, words].filter((part) => part !== '').join(': ');
  return { ru: `Портал ответил ${tail}.`, en: `The portal answered ${tail}.` };
}
