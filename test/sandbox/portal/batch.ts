import { parseForm } from './form.ts';
import { record } from './journal.ts';
import { takeRule } from './misbehave.ts';
import { resolve, type Told } from './references.ts';
import { asRestError, errorBody, type Invocation, invoke, timeBlock } from './rest.ts';
import type { Fields } from './types.ts';
import { isObject, type Methods, phpMap, type Reply, RestError, text } from './wire.ts';
import type { World } from './world.ts';

const MAX_COMMANDS = 50;
const NOT_ALLOWED = new Set(['batch', 'upload', 'download']);
async function runCommand(
  world: World,
  methods: Methods,
  batch: Invocation,
  command: unknown,
  told: Told,
): Promise<Reply> {
  if (typeof command !== 'string') throw new RestError(400, 'ERROR_ARGUMENT', 'Command must be a string');
  const mark = command.indexOf('?');
  const method = (mark < 0 ? command : command.slice(0, mark)).trim().toLowerCase();
  let params: Fields = {};
  try {
    params = parseForm(mark < 0 ? '' : command.slice(mark + 1));
    if (NOT_ALLOWED.has(method) || world.misbehave.refuseInBatch.has(method)) {
      throw new RestError(405, 'ERROR_BATCH_METHOD_NOT_ALLOWED', 'Method is not allowed for batch usage');
    }
    params = resolve(params, told) as Fields;
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
  const halt = ['1', 'true', 'Y'].includes(text(call.params['halt']));
  const result: Fields = {};
  const errors: Fields = {};
  const total: Fields = {};
  const next: Fields = {};
  const time: Fields = {};
  const told: Told = { result, total, next, time, error: errors };
  for (const [index, [key, command]] of commands.entries()) {
    const started = Date.now();
    try {
      if (index >= MAX_COMMANDS) {
        throw new RestError(400, 'ERROR_BATCH_LENGTH_EXCEEDED', 'Max batch length exceeded');
      }
      const reply = await runCommand(world, methods, call, command, told);
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
