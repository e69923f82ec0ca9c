import { parseArgs } from 'node:util';
import { robots } from '../robots/index.ts';
import { isLive } from '../src/bitrix24/installation.ts';
import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog, redact } from '../src/log.ts';
import type { Outcome } from '../src/robot/run-robot.ts';
import { toClean } from '../src/robot/text.ts';
import { openRooms, toLanguage } from '../src/rooms.ts';
import { toAnswers } from '../src/runs/attempt.ts';
import { type KeptCall, readEventToken, toDeadline } from '../src/runs/call.ts';
import { createRunHistory, type ListedRun, type RunHistory } from '../src/store/run-history.ts';
import type { Shell } from './shell.ts';

const SHOWN = 50;
const USAGE = `usage: npm run runs -- list [--failed] [--item DEAL_915]
       npm run runs -- show RUN_ID
       npm run runs -- causes
       npm run runs -- retry RUN_ID
       npm run runs -- retry --failed --code CODE [--robot CODE] [--since ISO_TIME] [--dry-run]
       npm run runs -- cancel RUN_ID`;

/** Told to the operator, who then gets exit code 1. */
class Refusal extends Error {}

const CANCELLED = {
  ru: 'Запуск отменён администратором сервиса. Если он нужен, запустите робот снова.',
  en: 'The run was cancelled by the operator of the service. If it is needed, run the robot again.',
};

type Order =
  | { command: 'list'; failed: boolean; itemCode: string | null }
  | { command: 'causes' }
  | { command: 'retry-failed'; code: string; robot: string | null; since: Date | null; dryRun: boolean }
  | { command: 'show' | 'retry' | 'cancel'; id: string };

function readOrder(args: string[]): Order {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      failed: { type: 'boolean' },
      item: { type: 'string' },
      code: { type: 'string' },
      robot: { type: 'string' },
      since: { type: 'string' },
      'dry-run': { type: 'boolean' },
    },
  });
  const [command, id, ...rest] = positionals;
  const given = Object.keys(values);
  const only = (...names: string[]) => given.every((name) => names.includes(name));
  if (command === 'causes' && id === undefined && only()) return { command };
  if (command === 'retry' && id === undefined && values.failed) {
    if (!only('failed', 'code', 'robot', 'since', 'dry-run')) throw new Refusal(USAGE);
    return readBulk(values);
  }
  if (command === 'list' && id === undefined && only('failed', 'item')) {
    return {
      command,
      failed: values.failed ?? false,
      itemCode: values.item?.trim().toUpperCase() ?? null,
    };
  }
  const isOrder = command === 'show' || command === 'retry' || command === 'cancel';
  if (!isOrder || id === undefined || rest.length > 0 || Object.keys(values).length > 0)
    throw new Refusal(USAGE);
  return { command, id };
}

function readBulk(values: {
  code?: string;
  robot?: string;
  since?: string;
  'dry-run'?: boolean;
}): Order & { command: 'retry-failed' } {
  const code = values.code?.trim() ?? '';
  if (!/^[a-z_]+$/.test(code) || code === 'done')
    throw new Refusal(
      `--code: the error_code of the runs to do again is expected; see npm run runs -- causes`,
    );
  const robot = values.robot?.trim() ?? null;
  if (robot !== null && !robots.some((one) => one.code === robot))
    throw new Refusal(`--robot: one of ${robots.map((one) => one.code).join(', ')} is expected`);
  const since = values.since === undefined ? null : new Date(values.since);
  if (since !== null && (Number.isNaN(since.getTime()) || !/^\d{4}-\d\d-\d\d/.test(values.since ?? '')))
    throw new Refusal('--since: a time such as 2026-03-02T10:00:00Z is expected');
  return { command: 'retry-failed', code, robot, since, dryRun: values['dry-run'] ?? false };
}

type Print = (line: string) => void;
const stateOf = (run: ListedRun) => (run.state === 'ended' ? (run.ending ?? 'ended') : run.state);

function printList(print: Print, runs: ListedRun[]): void {
  printTable(
    print,
    ['RUN_ID', 'TIME', 'ROBOT', 'ITEM', 'STATE', 'ATTEMPTS'],
    runs.map((run) => [
      run.id,
      run.receivedAt.toISOString(),
      run.robot,
      run.itemCode,
      stateOf(run),
      String(run.attempts),
    ]),
  );
  if (runs.length === 0) print('no runs');
}

function printTable(print: Print, head: string[], rows: string[][]): void {
  const table = [head, ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

/** Names and lengths of what the step sent and was answered: texts may be people's. Ids and Y/N are shown. */
function toLines(values: Record<string, unknown>): string[] {
  return Object.entries(values).map(([name, value]) => {
    if (Array.isArray(value))
      return `  ${name}: ${value.length} values of ${value.map((one) => String(one).length).join(', ') || 'no'} characters`;
    if (typeof value === 'number' || typeof value === 'boolean' || value === 'Y' || value === 'N')
      return `  ${name}: ${value}`;
    return `  ${name}: ${String(value ?? '').length} characters`;
  });
}

function printRun(print: Print, run: RunHistory, properties: string[], language: 'ru' | 'en'): void {
  print(`run       ${run.id}`);
  print(`robot     ${run.robot}`);
  print(`item      ${run.itemCode}`);
  print(`received  ${run.receivedAt.toISOString()}`);
  print(`deadline  ${run.deadlineAt.toISOString()}`);
  print(`state     ${run.state}${run.ending === null ? '' : `: ${run.ending}`}`);
  if (run.state === 'accepted') print(`next      ${run.nextAt.toISOString()}`);
  if (run.endedAt !== null) print(`ended     ${run.endedAt.toISOString()}`);
  print(`waits     ${run.wantsAnswer ? 'the step waits for the answer' : 'nobody waits for the answer'}`);
  print('properties (values are not shown)');
  for (const line of properties) print(line);
  print('attempts');
  for (const one of run.tries) {
    const seconds = ((one.finishedAt.getTime() - one.startedAt.getTime()) / 1000).toFixed(1);
    const text = one.text === null ? '' : `  ${String(redact(one.text[language]))}`;
    print(`  ${one.number}  ${one.startedAt.toISOString()}  ${seconds} s  ${one.ending}${text}`);
  }
  if (run.tries.length === 0) print('  none yet');
  print('outputs (texts are not shown)');
  for (const line of toLines(run.outcome ?? {})) print(line);
  if (run.outcome === null) print('  none yet');
  print('answers');
  for (const answer of run.answers) {
    const error = answer.lastError === null ? '' : `  ${String(redact(answer.lastError))}`;
    print(
      `  ${answer.kind} ${answer.number}  ${answer.state}  ${answer.sentAt?.toISOString() ?? '-'}${error}`,
    );
  }
  if (run.answers.length === 0) print('  none yet');
}

async function obey({ argv, env, stdout, stderr }: Shell): Promise<void> {
  const print: Print = (line) => void stdout.write(`${line}\n`);
  const order = readOrder(argv.slice(2).map(toClean));
  const config = parseConfig(env);
  const now = () => new Date();
  const log = createLog('error', (line) => stderr.write(line));
  const rooms = await openRooms(config, { log, now });
  try {
    // Calls that came in a crowd may not be runs yet.
    await rooms.calls.settleAll();
    const history = createRunHistory(rooms.store.pool);
    if (order.command === 'list') {
      printList(print, await history.list(order, SHOWN));
      return;
    }
    if (order.command === 'causes') {
      const causes = await history.causes();
      printTable(
        print,
        ['CODE', 'ROBOT', 'RUNS', 'FIRST', 'LAST'],
        causes.map((one) => [
          one.code,
          one.robot,
          String(one.count),
          one.first.toISOString(),
          one.last.toISOString(),
        ]),
      );
      if (causes.length === 0) print('no runs ended badly');
      return;
    }
    if (order.command === 'retry-failed') {
      const isThere = (memberId: string) => isLive(rooms.portals.installations.get(memberId));
      const found = await history.failedWith(order);
      const chosen = found.filter(({ memberId }) => isThere(memberId));
      const gone = found.length - chosen.length;
      if (gone > 0) print(`${gone} left out: the application is removed from their portal`);
      if (order.dryRun) {
        printList(print, chosen);
        print(`${chosen.length} runs would be done again; without --dry-run they are`);
        return;
      }
      let again = 0;
      const deadline = toDeadline(now(), config.RUN_MAX_HOURS, 0);
      for (const { id } of chosen) if (await history.reopen(id, now(), deadline)) again += 1;
      print(`${again} runs will be done again; the service takes them up within seconds`);
      return;
    }
    const run = await history.find(order.id);
    if (!run) throw new Refusal(`no run ${order.id}\n${USAGE}`);
    const installation = rooms.portals.installations.get(run.memberId);
    const language = toLanguage(installation?.language ?? 'ru');
    const openCall = () => JSON.parse(rooms.keys.decrypt(run.call)) as KeptCall;

    if (order.command === 'show') {
      let properties: string[];
      try {
        properties = toLines(openCall().properties);
      } catch {
        properties = ['  cannot be opened: its key is not in SECRET_KEYS or DATA_DIR/keys'];
      }
      printRun(print, run, properties, language);
      return;
    }

    if (order.command === 'retry') {
      if (run.state !== 'ended')
        throw new Refusal(`run ${run.id} has not ended (${run.state}); cancel it first or wait`);
      if (run.ending === 'done') throw new Refusal(`run ${run.id} ended well; there is nothing to do again`);
      if (!isLive(installation))
        throw new Refusal(`the application is removed from the portal of run ${run.id}; its step is gone`);
      if (!(await history.reopen(run.id, now(), toDeadline(now(), config.RUN_MAX_HOURS, 0))))
        throw new Refusal(`run ${run.id} was changed by another command; look at it with show`);
      print(`run ${run.id} will be done again; the service takes it up within seconds`);
      return;
    }

    const stored = await rooms.runs.get(run.id);
    if (!stored || stored.state === 'ended')
      throw new Refusal(`run ${run.id} has ended (${stateOf(run)}); there is nothing to cancel`);
    const robot = robots.find(({ code }) => code === stored.robot);
    const empty = Object.keys(robot?.outputs.shape ?? {}).map((code) => [code, ''] as const);
    const outcome: Outcome = {
      kind: 'failed',
      code: 'cancelled',
      text: CANCELLED,
      heals: false,
      values: Object.fromEntries(empty),
    };
    const ports = { seal: rooms.keys, now };
    const at = now();
    const eventToken = readEventToken(stored.call, rooms.keys.decrypt);
    const unanswerable = stored.wantsAnswer && eventToken === null;
    const attempt = { startedAt: at, finishedAt: at, ending: outcome.code, text: outcome.text, unanswerable };
    const answers = toAnswers(stored, eventToken, outcome, language, ports);
    if (!(await rooms.runs.end(stored.id, attempt, outcome.values, answers)))
      throw new Refusal(`run ${run.id} has just ended; look at it with show`);
    print(`run ${run.id} is cancelled; the service tells the portal within seconds`);
    if (unanswerable)
      print(
        'its step cannot be answered, for the key of its call is not in SECRET_KEYS or DATA_DIR/keys: a comment on the item says so; stop the workflow in the portal',
      );
  } finally {
    await rooms.close();
  }
}

/** Shows runs, does them again or cancels them; answers the exit code. */
export async function runs(shell: Shell): Promise<number> {
  try {
    await obey(shell);
    return 0;
  } catch (error) {
    const usage = error instanceof TypeError && 'code' in error;
    shell.stderr.write(
      `${
        error instanceof ConfigError || error instanceof Refusal
          ? error.message
          : usage
            ? `${error.message}\n${USAGE}`
            : `runs failed: ${String(redact((error as Error).message))}`
      }\n`,
    );
    return 1;
  }
}

if (import.meta.main) process.exitCode = await runs(process);
