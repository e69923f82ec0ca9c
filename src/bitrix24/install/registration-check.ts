import { pauseMs } from '../../lib/work/backoff.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Installation, Installations } from '../auth/installation.ts';
import {
  hashOf,
  type RobotRegistration,
  toFields,
  toTriggers,
  triggerKey,
} from '../registration/registration.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toLanguage } from '../rest/values.ts';
import { runInstallSteps } from './install-steps.ts';

/** How long after a look that found an earlier release at work the next look is. */
const OLDER_MS = 5_000;
/** A registration that is so old is compared with the portal's list again (bitrix24.md I15). */
const DAY_MS = 24 * 3_600_000;

export interface RegistrationCheck {
  /**
   * Registers what is due on each living installation: one whose registration is unknown or a day old, and once after
   * the start one whose declaration has changed. Failures are logged and tried again with growing pauses. Each portal
   * goes at its own pace, so this only starts the work.
   */
  check(): void;
  /** Until the work under way has ended. */
  stop(): Promise<void>;
}

/** Keeps the robots and events of every portal as they are declared (bitrix24.md B8, I15). */
export function createRegistrationCheck(options: {
  rest: PortalRest;
  installations: Installations;
  locks: LocksPort;
  isOlderThere: () => Promise<boolean>;
  robots: (language: string) => readonly RobotRegistration[];
  publicUrl: string;
  now: () => Date;
  log: Log;
}): RegistrationCheck {
  const { installations, locks, now, log } = options;
  /** Portals whose declaration this process has compared: replicas of two versions must not undo each other. */
  const compared = new Set<string>();
  const failures = new Map<string, { count: number; notBefore: number }>();

  function isDue(installation: Installation | undefined): boolean {
    if (installation?.state !== 'active' || installation.tokens === null) return false;
    const { memberId, registeredAt } = installation;
    const failed = failures.get(memberId);
    if (failed !== undefined) return performance.now() >= failed.notBefore;
    if (registeredAt === undefined) return true;
    const age = now().getTime() - Date.parse(registeredAt);
    // A clock that was set back makes a registration of the future.
    if (age >= DAY_MS || age < 0) return true;
    return !compared.has(memberId) && isChanged(installation);
  }

  function isChanged({ registered, language, installerUserId }: Installation): boolean {
    const context = { publicUrl: options.publicUrl, authUserId: installerUserId };
    const robots = options
      .robots(language)
      .some((robot) => registered[robot.code] !== hashOf(toFields(robot, context)));
    const triggers = Object.entries(toTriggers(toLanguage(language))).some(
      ([code, fields]) => registered[triggerKey(code)] !== hashOf(fields),
    );
    return robots || triggers;
  }

  /** An earlier release is at work, which may end any moment. */
  function postpone(memberId: string): void {
    if (failures.get(memberId)?.count !== 0)
      log.warn('registration.waits', { memberId, reason: 'a process of an earlier release is connected' });
    failures.set(memberId, { count: 0, notBefore: performance.now() + OLDER_MS });
  }

  async function register(memberId: string): Promise<void> {
    await locks.hold(`registration:${memberId}`, async () => {
      // Another process may have done it while this one waited for the lock.
      if (!isDue(await installations.fresh(memberId))) return;
      if (await options.isOlderThere()) return postpone(memberId);
      const { failures: failed } = await runInstallSteps({ ...options, memberId });
      // Without the scope of robots nothing fails, and nothing is registered either.
      if (failed.length === 0 && installations.get(memberId)?.registeredAt !== undefined) {
        failures.delete(memberId);
        return;
      }
      const count = (failures.get(memberId)?.count ?? 0) + 1;
      const pause = pauseMs(count);
      failures.set(memberId, { count, notBefore: performance.now() + pause });
      log.warn('registration.postponed', {
        memberId,
        seconds: pause / 1_000,
        reasons: failed.map(({ en }) => en),
      });
    });
    compared.add(memberId);
  }

  const running = new Map<string, Promise<void>>();
  return {
    check() {
      for (const installation of installations.list()) {
        const { memberId, state, registeredAt } = installation;
        if (state === 'uninstalled') failures.delete(memberId);
        if (running.has(memberId)) continue;
        if (!isDue(installation)) {
          if (registeredAt !== undefined) compared.add(memberId);
          continue;
        }
        const started = register(memberId)
          .catch((error) => log.warn('registration.failed', { memberId, error }))
          .finally(() => running.delete(memberId));
        running.set(memberId, started);
      }
    },
    async stop() {
      await Promise.all(running.values());
    },
  };
}
