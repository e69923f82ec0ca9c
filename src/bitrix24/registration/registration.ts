import { createHash } from 'node:crypto';
import { DEAL_ENTITY, FIELD_PARTS, fieldName } from '../deal/fields/field-facts.ts';
import { TRIGGER_NAMES } from '../deal/triggers.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { Listed } from './portal-list.ts';

/** What a robot declares, without HANDLER and AUTH_USER_ID (bitrix24.md B1). */
export interface RobotRegistration {
  code: string;
  fields: Record<string, unknown>;
}

/** What is the same for all robots of one installation. */
interface RegistrationContext {
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

/** Robots, triggers and fields of one portal. */
export type PortalPlan = Record<'robots' | 'triggers' | 'fields', RegistrationPlan>;

/** Compares robots declared with what the portal has and what was last sent (bitrix24.md B8). */
export function planRegistration(
  declared: readonly RobotRegistration[],
  registeredCodes: readonly string[],
  hashes: Readonly<Record<string, string>>,
  context: RegistrationContext,
): RegistrationPlan {
  const wanted = declared.map((robot) => [robot.code, hashOf(toFields(robot, context))] as const);
  return compare(wanted, registeredCodes, hashes);
}

/**
 * Everything that is registered (interface.md §4). What the portal could not list is left out. Fields are made and
 * never changed or deleted by us: they hold data.
 */
export function planPortal(
  declared: readonly RobotRegistration[],
  listed: Listed,
  hashes: Readonly<Record<string, string>>,
  context: RegistrationContext & { language: 'ru' | 'en' },
): PortalPlan {
  const triggers = Object.entries(toTriggers(context.language)).map(
    ([code, fields]) => [code, hashOf(fields)] as const,
  );
  const ownHashes = Object.fromEntries(
    triggers.flatMap(([code]) => {
      const hash = hashes[triggerKey(code)];
      return hash === undefined ? [] : [[code, hash]];
    }),
  );
  const { fields, triggers: listedTriggers } = listed;
  const parts = fields === null ? [] : FIELD_PARTS;
  const toNames = (isThere: boolean) =>
    parts
      .filter((part) => fields?.parts.includes(part) === isThere)
      .map((part) => fieldName(DEAL_ENTITY, part));
  return {
    robots: planRegistration(declared, listed.robots, hashes, context),
    triggers: listedTriggers === null ? compare([], [], {}) : compare(triggers, listedTriggers, ownHashes),
    fields: { add: toNames(false), update: [], same: toNames(true), undeclared: [] },
  };
}

function compare(
  declared: ReadonlyArray<readonly [code: string, hash: string]>,
  listed: readonly string[],
  hashes: Readonly<Record<string, string>>,
): RegistrationPlan {
  const plan: RegistrationPlan = { add: [], update: [], same: [], undeclared: [] };
  for (const [code, hash] of declared) {
    if (!listed.includes(code)) plan.add.push(code);
    else if (hashes[code] === hash) plan.same.push(code);
    else plan.update.push(code);
  }
  const codes = new Set(declared.map(([code]) => code));
  plan.undeclared = listed.filter((code) => !codes.has(code));
  return plan;
}

/** Parameters of our triggers by code; a trigger's name is one text (bitrix24.md F9). */
export function toTriggers(language: 'ru' | 'en'): Record<string, { NAME: string }> {
  return Object.fromEntries(
    Object.entries(TRIGGER_NAMES).map(([code, name]) => [code, { NAME: name[language] }]),
  );
}

/** Where the hash of a trigger is kept beside those of the robots. */
export function triggerKey(code: string): string {
  return `trigger:${code}`;
}

export function isTriggerKey(key: string): boolean {
  return key.startsWith(triggerKey(''));
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

/** What is sent of a robot. */
export function toFields(robot: RobotRegistration, context: RegistrationContext): Record<string, unknown> {
  return {
    HANDLER: `${context.publicUrl}/bitrix24/robots/${robot.code}`,
    ...(context.authUserId === null ? {} : { AUTH_USER_ID: context.authUserId }),
    ...robot.fields,
  };
}

/** SHA-256 of what is sent, whatever the order of its keys. */
export function hashOf(fields: Record<string, unknown>): string {
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
