import type { Log } from '../../robot/ports/log.ts';
import { type Installations, parseScopes } from '../auth/installation.ts';
import { DEAL_TYPE } from '../deal/fields/field-facts.ts';
import { makeFields, rememberFields } from '../deal/fields/field-setup.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toLanguage } from '../rest/values.ts';
import { createWriter, toError, toRefusal, type Writer } from '../rest/writes.ts';
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
export interface RegistrationResult extends RegistrationPlan {
  removed: string[];
  failed: { code: string; error: string; text: { ru: string; en: string } }[];
  /** Triggers and fields that are not there; robots work without them. */
  others: ItemFailure[];
}

interface Work {
  kind: 'robot' | 'trigger';
  code: string;
  first: BatchCommand;
  /** Sent when `first` is refused with `on`; null: that refusal is as good as done. */
  second: BatchCommand | null;
  on: string;
  /** Absent for a deletion. */
  hash?: string;
}

/** Asks the portal what it has of ours, in one hit. @throws PortalError when robots cannot be listed */
export async function listPortal(rest: PortalRest, memberId: string, log: Log): Promise<Listed> {
  const writer = createWriter({ rest, log, priority: 'run' });
  const { robots, triggers, fields, list } = LIST_COMMANDS;
  const commands = [robots, triggers, fields, list, { method: 'scope', params: {} }];
  const answers = (await writer.send(memberId, commands)) as [
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
    BatchAnswer,
  ];
  const [codes, ...others] = answers;
  if (!codes.ok) throw toError(codes, { method: robots.method });
  const scopes = others[3].ok ? parseScopes(others[3].result) : [];
  return readListed(
    toCodes(codes.result),
    { triggers: others[0], fields: others[1], list: others[2] },
    scopes,
  );
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
  const answers = await run(writer, memberId, work);

  const result: RegistrationResult = {
    ...plan.robots,
    removed: [],
    failed: [],
    others: [...listed.problems],
  };
  const registered: Record<string, string> = {};
  for (const code of plan.robots.same) registered[code] = hashes[code] as string;
  const kept = listed.triggers === null ? Object.keys(hashes).filter(isTriggerKey) : [];
  for (const key of [...plan.triggers.same.map(triggerKey), ...kept]) registered[key] = hashes[key] as string;
  for (const [index, { kind, code, hash }] of work.entries()) {
    const answer = answers[index] as BatchAnswer;
    if (answer.ok) {
      if (hash !== undefined) registered[kind === 'robot' ? code : triggerKey(code)] = hash;
      else result.removed.push(code);
    } else if (kind === 'trigger') result.others.push(toFailure('trigger', code, answer));
    else result.failed.push({ code, error: answer.error, text: explain(answer.error, answer.description) });
  }
  await installations.update(memberId, (known) => {
    if (known === undefined) return undefined;
    const done = result.failed.length === 0;
    return { ...known, registered, registeredAt: done ? options.now().toISOString() : known.registeredAt };
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
      ? { kind, code, hash, first: add, second: update, on: 'ERROR_ACTIVITY_ALREADY_INSTALLED' }
      : { kind, code, hash, first: update, second: add, on: 'ERROR_ACTIVITY_NOT_FOUND' };
  };
  return [
    ...plan.add.map((code) => toWork(code, true)),
    ...plan.update.map((code) => toWork(code, false)),
    ...(remove ? plan.undeclared : []).map((code) => ({
      kind,
      code,
      first: { method: 'bizproc.robot.delete', params: { CODE: code } },
      second: null,
      on: 'ERROR_ACTIVITY_NOT_FOUND',
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
      first: { method: 'crm.automation.trigger.add', params: { CODE: code, ...declared[code] } },
      second: null,
      on: '',
      hash: hashOf(declared[code] ?? {}),
    })),
    ...(remove ? plan.undeclared : []).map((code) => ({
      kind,
      code,
      first: { method: 'crm.automation.trigger.delete', params: { CODE: code } },
      second: null,
      on: '',
    })),
  ];
}

async function run(writer: Writer, memberId: string, work: readonly Work[]): Promise<BatchAnswer[]> {
  const answers = await writer.send(
    memberId,
    work.map(({ first }) => first),
  );
  const again = work.flatMap(({ on }, index) => {
    const answer = answers[index];
    return on !== '' && answer?.ok === false && answer.error === on ? [index] : [];
  });
  const seconds = again.flatMap((index) => work[index]?.second ?? []);
  const read = await writer.send(memberId, seconds);
  for (const index of again) {
    answers[index] =
      work[index]?.second === null ? { ok: true, result: true } : (read.shift() as BatchAnswer);
  }
  return answers;
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
