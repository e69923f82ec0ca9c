import type { Log } from '../../robot/ports/log.ts';
import { hasScope, type Installations, parseScopes } from '../auth/installation.ts';
import { applyRegistration } from '../registration/apply-registration.ts';
import { LIST_COMMANDS, readListed } from '../registration/portal-list.ts';
import { explain, type RobotRegistration, toCodes } from '../registration/registration.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { isRecord, isYes } from '../rest/values.ts';
import { createWriter } from '../rest/writes.ts';
import { REQUIRED_SCOPES } from './install-page.ts';

export interface StepsResult {
  /** What failed, in both languages. */
  failures: { ru: string; en: string }[];
  missingScopes: string[];
  /** Triggers and fields that robots can do without. */
  notes: { ru: string; en: string }[];
}

const EVENTS = ['ONAPPINSTALL', 'ONAPPUPDATE', 'ONAPPUNINSTALL'];
/** Clicks on our timeline activities; an older portal has no such event, and robots do not need it (F8). */
const CLICKED = 'ONCRMTIMELINEITEMACTION';
/** Asked once, because a tariff may lack them (bitrix24.md A8). */
const METHODS = ['bizproc.event.send', 'bizproc.workflow.instances', 'userfieldconfig.add', 'tasks.task.add'];

/**
 * What follows a proven installation: events bound, robots registered, scopes and methods looked up; two hits when
 * nothing is refused (bitrix24.md A1, B8, G1).
 */
export async function runInstallSteps(options: {
  rest: PortalRest;
  installations: Installations;
  memberId: string;
  robots: (language: string) => readonly RobotRegistration[];
  publicUrl: string;
  now: () => Date;
  log: Log;
}): Promise<StepsResult> {
  const { rest, installations, memberId, log } = options;
  const failures: StepsResult['failures'] = [];
  const notes: StepsResult['notes'] = [];
  const writer = createWriter({ rest, log, priority: 'run' });
  const handler = `${options.publicUrl}/bitrix24/events`;
  const commands: Record<string, BatchCommand> = {
    ...LIST_COMMANDS,
    scope: { method: 'scope', params: {} },
  };
  for (const event of [...EVENTS, CLICKED]) {
    commands[event] = { method: 'event.bind', params: { event, handler } };
  }
  for (const [index, name] of METHODS.entries())
    commands[`m${index}`] = { method: 'method.get', params: { name } };

  let answers: Record<string, BatchAnswer>;
  try {
    answers = await rest.batch(memberId, commands);
  } catch (error) {
    if (!(error instanceof PortalError) || error.kind !== 'refused') return failed(error);
    answers = {};
  }

  /** The batch's answer, or a single call where the portal would not take the method inside a batch. */
  async function ask(key: string): Promise<unknown> {
    const answer = answers[key];
    if (answer?.ok) return answer.result;
    const command = commands[key] as BatchCommand;
    if (answer !== undefined && isBound(answer.error, answer.description)) return true;
    return rest.call(memberId, command.method, command.params);
  }

  /** As `ask` for what robots do without: a refusal is the answer. */
  async function tryAsk(key: keyof typeof LIST_COMMANDS | typeof CLICKED): Promise<BatchAnswer> {
    const answer = answers[key];
    if (answer !== undefined && (answer.ok || !answer.error.startsWith('ERROR_BATCH_'))) return answer;
    return writer.sendAlone(memberId, commands[key] as BatchCommand);
  }

  for (const event of EVENTS) {
    try {
      await ask(event);
    } catch (error) {
      if (error instanceof PortalError && isBound(error.code, error.description)) continue;
      log.error('event.not_bound', { memberId, event, code: codeOf(error) });
      const { ru, en } = explain(error);
      failures.push({
        ru: `Событие ${event} не подключено. ${ru}`,
        en: `Event ${event} is not bound. ${en}`,
      });
    }
  }

  const clicked = await tryAsk(CLICKED);
  if (!clicked.ok && !isBound(clicked.error, clicked.description)) {
    log.warn('event.not_bound', { memberId, event: CLICKED, code: clicked.error });
  }
  const scopes = await ask('scope').then(parseScopes, () => []);
  const methods = METHODS.filter((_, index) => {
    const answer = answers[`m${index}`];
    return answer?.ok && isRecord(answer.result) && isYes(answer.result['isAvailable']);
  });
  const saved = await installations.update(memberId, (known) => {
    if (known === undefined) return undefined;
    return { ...known, methods, scopes: scopes.length > 0 ? scopes : known.scopes };
  });
  const given = saved?.scopes ?? [];
  // An unknown list of scopes proves nothing missing.
  const missingScopes = given.length === 0 ? [] : REQUIRED_SCOPES.filter((scope) => !hasScope(given, scope));
  if (missingScopes.length > 0) log.warn('scopes.missing', { memberId, scopes: missingScopes });
  // Only the feature of a missing scope is off, and robots are the feature of this one (interface.md §2).
  if (missingScopes.includes('bizproc')) return { failures, missingScopes, notes };

  try {
    const listed = readListed(
      toCodes(await ask('robots')),
      { triggers: await tryAsk('triggers'), fields: await tryAsk('fields'), list: await tryAsk('list') },
      given,
    );
    const { failed: refused, others } = await applyRegistration({
      ...options,
      robots: options.robots(saved?.language ?? 'en'),
      listed,
    });
    notes.push(...others.map(({ text }) => text));
    for (const { code, text } of refused) {
      failures.push({
        ru: `Робот ${code} не добавлен. ${text.ru}`,
        en: `Robot ${code} is not added. ${text.en}`,
      });
    }
  } catch (error) {
    failures.push(...failed(error).failures);
  }
  return { failures, missingScopes, notes };

  function failed(error: unknown): StepsResult {
    log.error('robots.not_registered', { memberId, code: codeOf(error) });
    if (!(error instanceof PortalError)) throw error;
    const { ru, en } = explain(error);
    return {
      failures: [{ ru: `Роботы не добавлены. ${ru}`, en: `The robots are not added. ${en}` }],
      missingScopes: [],
      notes: [],
    };
  }
}

function isBound(code: string, description: string): boolean {
  return code === 'ERROR_CORE' && /\bhandler already bind(?:ed)?\b/i.test(description);
}

function codeOf(error: unknown): string {
  return error instanceof PortalError ? error.code : 'internal';
}
