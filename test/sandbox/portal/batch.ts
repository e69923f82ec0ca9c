import { parseForm } from './form.ts';
import { record } from './journal.ts';
import { takeRule } from './misbehave.ts';
import { asRestError, errorBody, type Invocation, invoke, timeBlock } from './rest.ts';
import type { Fields } from './types.ts';
import { isObject, type Methods, phpMap, type Reply, RestError, text } from './wire.ts';
import type { World } from './world.ts';

const MAX_COMMANDS = 50;
const REFERENCE = /\$result((?:\[[^\]]+\])+)/g;

function lookUp(results: Fields, path: string): unknown {
  let value: unknown = results;
  for (const [, key] of path.matchAll(/\[([^\]]+)\]/g))
    value = isObject(value) ? value[key ?? ''] : undefined;
  return value;
}

/** Puts earlier results into `$result[key][field]`; an empty reference fails the command it stands in. */
function resolve(value: unknown, results: Fields): unknown {
  if (Array.isArray(value)) return value.map((inner) => resolve(inner, results));
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner, results)]));
  }
  if (typeof value !== 'string' || !value.includes('$result[')) return value;
  const need = (path: string): unknown => {
    const found = lookUp(results, path);
    if (text(found) === '' || (Array.isArray(found) && found.length === 0)) {
      throw new RestError(400, 'ERROR_ARGUMENT', `Reference $result${path} is empty`);
    }
    return found;
  };
  const whole = /^\$result((?:\[[^\]]+\])+)$/.exec(value)?.[1];
  if (whole !== undefined) return need(whole);
  return value.replace(REFERENCE, (_match, path: string) => text(need(path)));
}

async function runCommand(
  world: World,
  methods: Methods,
  batch: Invocation,
  command: unknown,
  results: Fields,
): Promise<Reply> {
  if (typeof command !== 'string') throw new RestError(400, 'ERROR_ARGUMENT', 'Command must be a string');
  const mark = command.indexOf('?');
  const method = (mark < 0 ? command : command.slice(0, mark)).trim().toLowerCase();
  let params: Fields = {};
  try {
    params = parseForm(mark < 0 ? '' : command.slice(mark + 1));
    if (method === 'batch' || world.misbehave.refuseInBatch.has(method)) {
      throw new RestError(405, 'ERROR_BATCH_METHOD_NOT_ALLOWED', 'Method is not allowed for batch usage');
    }
    params = resolve(params, results) as Fields;
    const rule = world.rules.some((one) => one.method === method) ? takeRule(world, method) : undefined;
    if (rule?.until !== undefined) await rule.until;
    if (rule?.status !== undefined || isObject(rule?.body)) {
      const body = isObject(rule?.body) ? (rule.body as Fields) : {};
      throw new RestError(
        rule?.status ?? 400,
        text(body['error']) || 'ERROR_CORE',
        text(body['error_description']),
      );
    }
    const reply = await invoke(world, methods, { ...batch, method, params, viaBatch: true });
    record(world, method, params, 200, undefined, true);
    return reply;
  } catch (thrown) {
    const error = asRestError(thrown);
    record(world, method, params, error.status, error.code, true);
    throw error;
  }
}

/** One hit with up to 50 commands; it is 200 even when all of them failed. */
export async function runBatch(world: World, methods: Methods, call: Invocation): Promise<Reply> {
  const commands = isObject(call.params['cmd']) ? Object.entries(call.params['cmd']) : [];
  if (commands.length > MAX_COMMANDS) {
    throw new RestError(400, 'ERROR_BATCH_LENGTH_EXCEEDED', 'Max batch length exceeded');
  }
  const halt = ['1', 'true', 'Y'].includes(text(call.params['halt']));
  const result: Fields = {};
  const errors: Fields = {};
  const total: Fields = {};
  const next: Fields = {};
  const time: Fields = {};
  for (const [key, command] of commands) {
    const started = Date.now();
    try {
      const reply = await runCommand(world, methods, call, command, result);
      result[key] = reply.result;
      if (reply.total !== undefined) total[key] = reply.total;
      if (reply.next !== undefined) next[key] = reply.next;
      time[key] = timeBlock(world, String(command).split('?')[0] ?? '', started);
    } catch (thrown) {
      errors[key] = errorBody(asRestError(thrown));
      if (halt) break;
    }
  }
  const listed = Array.isArray(call.params['cmd']) && Object.keys(errors).length === 0;
  return {
    result: {
      result: listed ? Object.values(result) : phpMap(result),
      result_error: phpMap(errors),
      result_total: phpMap(total),
      result_next: phpMap(next),
      result_time: phpMap(time),
    },
  };
}
