import { createHash } from 'node:crypto';
import type { Log } from '../robot/ports.ts';
import type { BatchAnswer, BatchCommand } from './batch.ts';
import { MAX_BATCH } from './batch.ts';
import type { Installations } from './installation.ts';
import { PortalError } from './portal-error.ts';
import type { PortalRest } from './rest.ts';

/** What a robot declares, without HANDLER and AUTH_USER_ID (bitrix24.md B1). */
export interface RobotRegistration {
  code: string;
  fields: Record<string, unknown>;
}

/** What is the same for all robots of one installation. */
export interface RegistrationContext {
  publicUrl: string;
  authUserId: number | null;
}

export interface RegistrationPlan {
  add: string[];
  update: string[];
  same: string[];
  /** Registered on the portal, no longer declared; placed robots would break, so only an order removes them. */
  undeclared: string[];
}

export interface RegistrationResult extends RegistrationPlan {
  removed: string[];
  failed: { code: string; error: string; text: { ru: string; en: string } }[];
}

/** Compares what is declared with what the portal has and what was last sent (bitrix24.md B8). */
export function planRegistration(
  declared: readonly RobotRegistration[],
  registeredCodes: readonly string[],
  hashes: Readonly<Record<string, string>>,
  context: RegistrationContext,
): RegistrationPlan {
  const plan: RegistrationPlan = { add: [], update: [], same: [], undeclared: [] };
  for (const robot of declared) {
    if (!registeredCodes.includes(robot.code)) plan.add.push(robot.code);
    else if (hashes[robot.code] === hashOf(toFields(robot, context))) plan.same.push(robot.code);
    else plan.update.push(robot.code);
  }
  const codes = new Set(declared.map((robot) => robot.code));
  plan.undeclared = registeredCodes.filter((code) => !codes.has(code));
  return plan;
}

/** Lists, adds and updates in two hits; deletes only on order (bitrix24.md B8). @throws PortalError */
export async function applyRegistration(options: {
  rest: PortalRest;
  installations: Installations;
  memberId: string;
  robots: readonly RobotRegistration[];
  publicUrl: string;
  now: () => Date;
  log: Log;
  force?: boolean;
  remove?: boolean;
  /** Codes on the portal when they were already asked for. */
  registeredCodes?: readonly string[];
}): Promise<RegistrationResult> {
  const { rest, installations, memberId, robots } = options;
  const installation = installations.get(memberId);
  const context = { publicUrl: options.publicUrl, authUserId: installation?.installerUserId ?? null };
  const codes = options.registeredCodes ?? toCodes(await rest.call(memberId, 'bizproc.robot.list', {}));
  const hashes = options.force ? {} : (installation?.registered ?? {});
  const plan = planRegistration(robots, codes, hashes, context);

  const byCode = new Map(robots.map((robot) => [robot.code, toFields(robot, context)]));
  const add = (code: string): BatchCommand => ({
    method: 'bizproc.robot.add',
    params: { CODE: code, ...byCode.get(code) },
  });
  const update = (code: string): BatchCommand => ({
    method: 'bizproc.robot.update',
    params: { CODE: code, FIELDS: byCode.get(code) },
  });
  const work = [
    ...plan.add.map((code) => ({
      code,
      first: add(code),
      second: update(code),
      on: 'ERROR_ACTIVITY_ALREADY_INSTALLED',
    })),
    ...plan.update.map((code) => ({
      code,
      first: update(code),
      second: add(code),
      on: 'ERROR_ACTIVITY_NOT_FOUND',
    })),
    ...(options.remove ? plan.undeclared : []).map((code) => {
      const first = { method: 'bizproc.robot.delete', params: { CODE: code } };
      return { code, first, second: null, on: 'ERROR_ACTIVITY_NOT_FOUND' };
    }),
  ];
  const answers = await run(
    rest,
    memberId,
    work.map(({ code, first }) => [code, first]),
  );
  const again = work.filter(({ code, on }) => errorOf(answers.get(code)) === on);
  const seconds = again.flatMap(({ code, second }) => (second === null ? [] : [[code, second] as const]));
  for (const [code, answer] of await run(rest, memberId, seconds)) answers.set(code, answer);
  for (const { code, second } of again) if (second === null) answers.set(code, { ok: true, result: true });

  const result: RegistrationResult = { ...plan, removed: [], failed: [] };
  const registered = Object.fromEntries(
    plan.same.map((code) => [code, hashOf(byCode.get(code) as Record<string, unknown>)]),
  );
  for (const { code } of work) {
    const answer = answers.get(code);
    const fields = byCode.get(code);
    if (answer?.ok !== true) {
      const error = errorOf(answer) ?? 'NO_ANSWER';
      result.failed.push({
        code,
        error,
        text: explain(error, answer?.ok === false ? answer.description : ''),
      });
    } else if (fields === undefined) result.removed.push(code);
    else registered[code] = hashOf(fields);
  }
  await installations.update(memberId, (known) => {
    if (known === undefined) return undefined;
    const done = result.failed.length === 0;
    return { ...known, registered, registeredAt: done ? options.now().toISOString() : known.registeredAt };
  });
  const { failed, removed, same } = result;
  const facts = { memberId, added: plan.add.length, updated: plan.update.length, same: same.length };
  options.log.info('robots.registered', { ...facts, removed: removed.length, failed: failed.length });
  return result;
}

async function run(
  rest: PortalRest,
  memberId: string,
  commands: ReadonlyArray<readonly [string, BatchCommand]>,
): Promise<Map<string, BatchAnswer>> {
  const answers = new Map<string, BatchAnswer>();
  for (let from = 0; from < commands.length; from += MAX_BATCH) {
    const part = commands.slice(from, from + MAX_BATCH);
    const keyed = Object.fromEntries(part.map(([, command], index) => [`r${index}`, command]));
    const read = await rest.batch(memberId, keyed);
    part.forEach(([code], index) => {
      answers.set(code, read[`r${index}`] as BatchAnswer);
    });
  }
  return answers;
}

function errorOf(answer: BatchAnswer | undefined): string | null {
  return answer?.ok === false ? answer.error : null;
}

/** Codes of `bizproc.robot.list` (bitrix24.md B1). */
export function toCodes(result: unknown): string[] {
  return Array.isArray(result) ? result.filter((code) => typeof code === 'string') : [];
}

/** Why a registration failed, for the administrator. */
export function explain(error: unknown, description = ''): { ru: string; en: string } {
  const code = error instanceof PortalError ? error.code : String(error);
  const words = error instanceof PortalError ? error.description : description;
  if (code === 'ERROR_METHOD_NOT_FOUND') {
    return {
      ru: 'Тариф портала не включает роботов (бизнес-процессы). Нужен тариф с автоматизацией CRM.',
      en: 'The plan of the portal has no automation rules. A plan with CRM automation is needed.',
    };
  }
  const tail = words === '' ? code : `${code}: ${words}`;
  return { ru: `Портал ответил ${tail}.`, en: `The portal answered ${tail}.` };
}

function toFields(robot: RobotRegistration, context: RegistrationContext): Record<string, unknown> {
  return {
    HANDLER: `${context.publicUrl}/bitrix24/robots/${robot.code}`,
    ...(context.authUserId === null ? {} : { AUTH_USER_ID: context.authUserId }),
    ...robot.fields,
  };
}

/** SHA-256 of what is sent, whatever the order of its keys. */
function hashOf(fields: Record<string, unknown>): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(fields)))
    .digest('hex');
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item)]));
}
