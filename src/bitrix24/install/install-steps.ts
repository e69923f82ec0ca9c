import type { LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import { hasScope, type Installation, type Installations, parseScopes } from '../auth/installation.ts';
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
  failures: LocalText[];
  missingScopes: string[];
  /** Triggers and fields that robots can do without. */
  notes: LocalText[];
}

const EVENTS = ['ONAPPINSTALL', 'ONAPPUPDATE', 'ONAPPUNINSTALL'];
/** Clicks on our timeline activities; an older portal has no such event, and robots do not need it (F8). */
const CLICKED = 'ONCRMTIMELINEITEMACTION';
/** Asked once, because a tariff may lack them (bitrix24.md A8). */
const METHODS = ['bizproc.event.send', 'bizproc.workflow.instances', 'userfieldconfig.add', 'tasks.task.add'];

interface Steps {
  rest: PortalRest;
  installations: Installations;
  memberId: string;
  robots: (language: string) => readonly RobotRegistration[];
  publicUrl: string;
  /** An earlier release works beside us, which does not know all that our robots declare. */
  isOlderThere: () => Promise<boolean>;
  now: () => Date;
  log: Log;
}

/**
 * What follows a proven installation: events bound, robots registered, scopes and methods looked up; two hits when
 * nothing is refused (bitrix24.md A1, B8, G1).
 */
export async function runInstallSteps(steps: Steps): Promise<StepsResult> {
  const { memberId, log } = steps;
  let portal: FirstHit;
  try {
    portal = await sendFirstHit(steps);
  } catch (error) {
    return { failures: [toRobotsFailure(steps, error)], missingScopes: [], notes: [] };
  }
  const failures = await bindEvents(steps, portal);
  const installation = await learnRights(steps, portal);
  const given = installation?.scopes ?? [];
  // An unknown list of scopes proves nothing missing.
  const missingScopes = given.length === 0 ? [] : REQUIRED_SCOPES.filter((scope) => !hasScope(given, scope));
  if (missingScopes.length > 0) log.warn('scopes.missing', { memberId, scopes: missingScopes });
  // Only the feature of a missing scope is off, and robots are the feature of this one (interface.md §2).
  if (missingScopes.includes('bizproc')) return { failures, missingScopes, notes: [] };
  if (await steps.isOlderThere()) {
    log.warn('registration.waits', { memberId, reason: 'a process of an earlier release is connected' });
    return { failures: [...failures, OLDER], missingScopes, notes: [] };
  }
  const registered = await registerRobots(steps, portal, installation);
  return { failures: [...failures, ...registered.failures], missingScopes, notes: registered.notes };
}

const OLDER: LocalText = {
  ru: 'Роботы пока не добавлены: сервис обновляется, и его прежняя версия ещё работает. Они добавятся сами, когда она остановится.',
  en: 'The robots are not added yet: the service is being updated and its former version still runs. They are added by themselves once it stops.',
};

interface FirstHit {
  /** The batch's answer, or a single call where the portal would not take the method inside a batch. @throws PortalError */
  ask(key: string): Promise<unknown>;
  /** As `ask` for what robots do without: a refusal is the answer. */
  tryAsk(key: keyof typeof LIST_COMMANDS | typeof CLICKED): Promise<BatchAnswer>;
  /** Of `METHODS`, those that the tariff has. */
  methods: string[];
}

/** Asks and binds everything at once. @throws PortalError when the portal cannot be reached */
async function sendFirstHit({ rest, memberId, publicUrl, log }: Steps): Promise<FirstHit> {
  const handler = `${publicUrl}/bitrix24/events`;
  const binding = (event: string) => ({ method: 'event.bind', params: { event, handler } });
  const commands: Record<string, BatchCommand> = {
    ...LIST_COMMANDS,
    scope: { method: 'scope', params: {} },
    ...Object.fromEntries([...EVENTS, CLICKED].map((event) => [event, binding(event)])),
    ...Object.fromEntries(METHODS.map((name, at) => [`m${at}`, { method: 'method.get', params: { name } }])),
  };
  const commandOf = (key: string) => commands[key] as BatchCommand;
  let answers: Record<string, BatchAnswer> = {};
  try {
    answers = await rest.batch(memberId, commands);
  } catch (error) {
    if (!(error instanceof PortalError) || error.kind !== 'refused') throw error;
  }
  const writer = createWriter({ rest, log, priority: 'run' });
  return {
    async ask(key) {
      const answer = answers[key];
      if (answer?.ok) return answer.result;
      if (answer !== undefined && isBound(answer.error, answer.description)) return true;
      const { method, params } = commandOf(key);
      return rest.call(memberId, method, params);
    },
    async tryAsk(key) {
      const answer = answers[key];
      if (answer !== undefined && (answer.ok || !answer.error.startsWith('ERROR_BATCH_'))) return answer;
      return writer.sendAlone(memberId, commandOf(key));
    },
    methods: METHODS.filter((_, at) => {
      const answer = answers[`m${at}`];
      return answer?.ok && isRecord(answer.result) && isYes(answer.result['isAvailable']);
    }),
  };
}

async function bindEvents({ memberId, log }: Steps, portal: FirstHit): Promise<LocalText[]> {
  const failures: LocalText[] = [];
  for (const event of EVENTS) {
    try {
      await portal.ask(event);
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
  const clicked = await portal.tryAsk(CLICKED);
  if (!clicked.ok && !isBound(clicked.error, clicked.description)) {
    log.warn('event.not_bound', { memberId, event: CLICKED, code: clicked.error });
  }
  return failures;
}

/** Keeps with the installation which scopes and methods it has. */
async function learnRights(
  { installations, memberId }: Steps,
  portal: FirstHit,
): Promise<Installation | undefined> {
  const scopes = await portal.ask('scope').then(parseScopes, () => []);
  return installations.update(
    memberId,
    (known) =>
      known && { ...known, methods: portal.methods, scopes: scopes.length > 0 ? scopes : known.scopes },
  );
}

async function registerRobots(
  steps: Steps,
  portal: FirstHit,
  installation: Installation | undefined,
): Promise<Omit<StepsResult, 'missingScopes'>> {
  try {
    const listed = readListed(
      toCodes(await portal.ask('robots')),
      {
        triggers: await portal.tryAsk('triggers'),
        fields: await portal.tryAsk('fields'),
        list: await portal.tryAsk('list'),
      },
      installation?.scopes ?? [],
    );
    const { failed, others } = await applyRegistration({
      ...steps,
      robots: steps.robots(installation?.language ?? 'en'),
      listed,
    });
    const failures = failed.map(({ code, text }) => ({
      ru: `Робот ${code} не добавлен. ${text.ru}`,
      en: `Robot ${code} is not added. ${text.en}`,
    }));
    return { failures, notes: others.map(({ text }) => text) };
  } catch (error) {
    return { failures: [toRobotsFailure(steps, error)], notes: [] };
  }
}

/** @throws what is no PortalError */
function toRobotsFailure({ memberId, log }: Steps, error: unknown): LocalText {
  log.error('robots.not_registered', { memberId, code: codeOf(error) });
  if (!(error instanceof PortalError)) throw error;
  const { ru, en } = explain(error);
  return { ru: `Роботы не добавлены. ${ru}`, en: `The robots are not added. ${en}` };
}

function isBound(code: string, description: string): boolean {
  return code === 'ERROR_CORE' && /\bhandler already bind(?:ed)?\b/i.test(description);
}

function codeOf(error: unknown): string {
  return error instanceof PortalError ? error.code : 'internal';
}
