import type { Log } from '../../robot/ports/log.ts';
import { type Installations, parseScopes } from '../auth/installation.ts';
import { DEAL_TYPE } from '../deal/fields/field-facts.ts';
import { makeFields, rememberFields } from '../deal/fields/field-setup.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toLanguage } from '../rest/values.ts';
import { createWriter, toError, toRefusal, type Writer, withAnswers } from '../rest/writes.ts';
import { type ItemFailure, LIST_COMMANDS, type Listed, readListed, toFailure } from './portal-list.ts';
import {
  explain,
  hashOf,
  isTriggerKey,
  type PortalPlan,
  planPortal,
  type RegistrationPlan,
  type RobotRegistration,
  toCodes,
  toFields,
  toTriggers,
  triggerKey,
} from './registration.ts';

/** What became of the robots, and of the triggers and fields that go with them. */
interface RegistrationResult extends RegistrationPlan {
  removed: string[];
  failed: { code: string; error: string; text: { ru: string; en: string } }[];
  /** Triggers and fields that are not there; robots work without them. */
  others: ItemFailure[];
}

interface Work {
  kind: 'robot' | 'trigger';
  code: string;
  command: BatchCommand;
  /** A refusal with code `on` is expected: then this command is sent instead, or without one there is nothing to do. */
  otherwise?: { on: string; command?: BatchCommand };
  /** Absent for a deletion. */
  hash?: string;
}

/** Asks the portal what it has of ours, in one hit. @throws PortalError when robots cannot be listed */
export async function listPortal(rest: PortalRest, memberId: string, log: Log): Promise<Listed> {
  const writer = createWriter({ rest, log, priority: 'run' });
  const { robots, triggers, fields, list } = LIST_COMMANDS;
  const commands = [robots, triggers, fields, list, { method: 'scope', params: {} }];
  // `send` answers each command.
  const answers = (await writer.send(memberId, commands)) as [
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
  ];
  const [codes, ofTriggers, ofFields, ofList, ofScope] = answers;
  if (!codes.ok) throw toError(codes, { method: robots.method });
  const scopes = ofScope.ok ? parseScopes(ofScope.result) : [];
  return readListed(toCodes(codes.result), { triggers: ofTriggers, fields: ofFields, list: ofList }, scopes);
}

/**
 * Adds and updates robots and triggers in one hit, makes missing fields in another; deletes only on order
 * (bitrix24.md B8, F6, F9). @throws PortalError
 */
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
  /** What is on the portal when it was already asked for. */
  listed?: Listed;
}): Promise<RegistrationResult> {
  const { rest, installations, memberId, robots, log } = options;
  const writer = createWriter({ rest, log, priority: 'run' });
  const installation = installations.get(memberId);
  const context = {
    publicUrl: options.publicUrl,
    authUserId: installation?.installerUserId ?? null,
    language: toLanguage(installation?.language ?? 'en'),
  };
  const listed = options.listed ?? (await listPortal(rest, memberId, log));
  const hashes = options.force ? {} : (installation?.registered ?? {});
  const plan = planPortal(robots, listed, hashes, context);
  const byCode = new Map(robots.map((robot) => [robot.code, toFields(robot, context)]));
  const work = [
    ...robotWork(plan, byCode, options.remove),
    ...triggerWork(plan, context.language, options.remove),
  ];
  const vanished = plan.robots.add.filter((code) => installation?.registered[code] !== undefined);
  if (vanished.length > 0) {
    log.warn('robots.vanished', { memberId, codes: vanished });
    // An answer would close its step with empty outputs now, so none may leave (I61).
    await installations.update(memberId, (known) => known && { ...known, registeredAt: undefined });
  }
  const done = await run(writer, memberId, work);

  const result: RegistrationResult = {
    ...plan.robots,
    removed: [],
    failed: [],
    others: [...listed.problems],
  };
  const registered: Record<string, string> = {};
  const unlisted = listed.triggers === null ? Object.keys(hashes).filter(isTriggerKey) : [];
  for (const key of [...plan.robots.same, ...plan.triggers.same.map(triggerKey), ...unlisted]) {
    const hash = hashes[key];
    if (hash !== undefined) registered[key] = hash;
  }
  for (const [{ kind, code, hash }, answer] of done) {
    if (answer.ok) {
      if (hash !== undefined) registered[kind === 'robot' ? code : triggerKey(code)] = hash;
      else result.removed.push(code);
    } else if (kind === 'trigger') result.others.push(toFailure('trigger', code, answer));
    else result.failed.push({ code, error: answer.error, text: explain(answer.error, answer.description) });
  }
  await installations.update(memberId, (known) => {
    if (known === undefined) return undefined;
    const isWhole = result.failed.length === 0;
    return { ...known, registered, registeredAt: isWhole ? options.now().toISOString() : known.registeredAt };
  });
  result.others.push(...(await setUpFields(options, writer, listed)));
  const { failed, removed, others } = result;
  const { add, update, same } = plan.robots;
  const facts = { memberId, added: add.length, updated: update.length, same: same.length };
  log.info('robots.registered', { ...facts, removed: removed.length, failed: failed.length });
  for (const { code, error } of others)
    log.warn('registration.incomplete', { memberId, item: code, code: error });
  return result;
}

function robotWork(
  { robots: plan }: PortalPlan,
  byCode: ReadonlyMap<string, Record<string, unknown>>,
  remove = false,
): Work[] {
  const kind = 'robot' as const;
  const toWork = (code: string, isNew: boolean): Work => {
    const fields = byCode.get(code) ?? {};
    const add = { method: 'bizproc.robot.add', params: { CODE: code, ...fields } };
    const update = { method: 'bizproc.robot.update', params: { CODE: code, FIELDS: fields } };
    const hash = hashOf(fields);
    return isNew
      ? {
          kind,
          code,
          hash,
          command: add,
          otherwise: { on: 'ERROR_ACTIVITY_ALREADY_INSTALLED', command: update },
        }
      : { kind, code, hash, command: update, otherwise: { on: 'ERROR_ACTIVITY_NOT_FOUND', command: add } };
  };
  return [
    ...plan.add.map((code) => toWork(code, true)),
    ...plan.update.map((code) => toWork(code, false)),
    ...(remove ? plan.undeclared : []).map((code) => ({
      kind,
      code,
      command: { method: 'bizproc.robot.delete', params: { CODE: code } },
      otherwise: { on: 'ERROR_ACTIVITY_NOT_FOUND' },
    })),
  ];
}

function triggerWork({ triggers: plan }: PortalPlan, language: 'ru' | 'en', remove = false): Work[] {
  const kind = 'trigger' as const;
  const declared = toTriggers(language);
  return [
    // Adding a known code changes its name (F9).
    ...[...plan.add, ...plan.update].map((code) => ({
      kind,
      code,
      command: { method: 'crm.automation.trigger.add', params: { CODE: code, ...declared[code] } },
      hash: hashOf(declared[code] ?? {}),
    })),
    ...(remove ? plan.undeclared : []).map((code) => ({
      kind,
      code,
      command: { method: 'crm.automation.trigger.delete', params: { CODE: code } },
    })),
  ];
}

async function run(
  writer: Writer,
  memberId: string,
  work: readonly Work[],
): Promise<[work: Work, answer: BatchAnswer][]> {
  const commands = work.map(({ command }) => command);
  const done = withAnswers(work, await writer.send(memberId, commands));
  const isOtherwise = ({ otherwise }: Work, answer: BatchAnswer) =>
    !answer.ok && answer.error === otherwise?.on;
  const others = done.flatMap(([one, answer]) => {
    const command = isOtherwise(one, answer) ? one.otherwise?.command : undefined;
    return command === undefined ? [] : [{ one, command }];
  });
  const sent = await writer.send(
    memberId,
    others.map(({ command }) => command),
  );
  const second = new Map(withAnswers(others, sent).map(([{ one }, answer]) => [one, answer]));
  return done.map(([one, answer]) => {
    if (!isOtherwise(one, answer)) return [one, answer];
    return [one, second.get(one) ?? { ok: true, result: true }];
  });
}

/** A portal that does not let us make fields is no reason for robots to fail. */
async function setUpFields(
  options: { installations: Installations; memberId: string; log: Log },
  writer: Writer,
  listed: Listed,
): Promise<ItemFailure[]> {
  const { installations, memberId } = options;
  if (listed.fields === null) return [];
  const known = installations.get(memberId)?.fields?.[DEAL_TYPE];
  const found = { ...listed.fields, items: { ...known?.items, ...listed.fields.items } };
  try {
    const { failed } = await makeFields({ ...options, writer, typeId: DEAL_TYPE, found });
    return failed.map(({ code, answer }) => toFailure('field', code, answer));
  } catch (error) {
    if (!(error instanceof PortalError)) throw error;
    await rememberFields(installations, memberId, DEAL_TYPE, found);
    return [toFailure('field', 'fields', toRefusal(error))];
  }
}
