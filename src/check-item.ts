import type { Installation } from './bitrix24/auth/installation.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import { NO_CALL } from './bitrix24/robots/call-proof.ts';
import { toItemRef } from './bitrix24/robots/robot-call.ts';
import type { Config } from './config.ts';
import type { Modules } from './modules.ts';
import { listTables } from './portal-rules.ts';
import type { Log } from './robot/ports/log.ts';
import type { AnyRobot, RobotSettings } from './robot/robot.ts';
import type { Properties } from './robot/run/inputs.ts';
import { type Checked, checkRobot } from './robot/run-robot.ts';
import { createRules } from './rules/fill/fill-inputs.ts';
import { guardEffects } from './runs/work/guard.ts';

/** What settings say of empty inputs. */
export function toRobotSettings(config: Config): Omit<RobotSettings, 'language'> {
  const kind = config.DIRECTUM_CONTRACT_KIND;
  return {
    documentKinds: kind === undefined ? {} : { contract: kind },
    businessUnit: config.DIRECTUM_BUSINESS_UNIT ?? null,
    responsible: config.DIRECTUM_RESPONSIBLE ?? null,
    timeZone: config.TIME_ZONE,
  };
}

/**
 * Checks a robot on an item as its step would with `check_only` (interface.md §3), for somebody who is not the portal: no
 * call is proven, nothing is written. `inputs` are as typed.
 * @throws RobotFailure when a system does not answer, or the robot does not work on such items
 */
export async function checkItem(
  { config, modules, log }: { config: Config; modules: Modules; log: Log },
  { memberId, portalKey, language }: Pick<Installation, 'memberId' | 'portalKey' | 'language'>,
  { robot, itemCode, inputs }: { robot: AnyRobot; itemCode: string; inputs: Properties },
): Promise<Checked> {
  const { store, portals, directum, deals } = modules;
  const item = toItemRef(itemCode);
  const locks = { ...store.locks, check: () => undefined };
  const portal = portals.reader(
    memberId,
    item ?? { typeId: 0, id: 0, code: itemCode },
    log,
    NO_CALL,
    undefined,
  );
  const looks = guardEffects({
    portal,
    directum: directum.forPortal({
      counterpartyLinks: store.counterpartyLinks(portalKey, itemCode, ''),
      locks,
      absence: deals.observer.deletions.absence,
      log,
    }),
    slots: store.slots(portalKey, itemCode, '', locks),
    proof: NO_CALL,
    locks,
    isCheck: true,
  });
  return checkRobot(robot, inputs, {
    ...looks,
    item,
    documentType: itemCode,
    rules: createRules({
      tables: () => listTables(store.ruleTables, portalKey),
      portal,
      timeZone: config.TIME_ZONE,
    }),
    wait: NO_WAIT,
    settings: { ...toRobotSettings(config), language: toLanguage(language) },
    log,
  });
}

/** A check waits for nothing. */
const NO_WAIT = {
  until: () => new Date(0),
  left: () => 0,
  last: async () => null,
  savedFile: async () => null,
  fileSaved: async () => undefined,
};
