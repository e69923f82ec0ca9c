import type { Log } from '../../robot/ports/log.ts';
import type { Installations } from '../auth/installation.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { type Priority, Urgency } from '../rest/urgency.ts';
import { isTriggerKey, toCodes } from './registration.ts';

/** How long robots that were seen count as there; a portal is asked at most once in this time. */
const BELIEVED_MS = 60_000;

export interface InstalledRobots {
  /** A robot of the portal called at that time, so all were there: a wipe takes all of them (bitrix24.md B8). */
  seen(memberId: string, at: Date): void;
  /**
   * Whether the portal has our robots. Where no call and no registration of the last minute shows it, the portal is
   * asked, because an answer it takes without them closes its step with empty outputs and says `true` (I61).
   */
  isThere(memberId: string, priority: Priority): Promise<boolean>;
}

/** Finds out before answers leave that a portal dropped our robots without telling us, as an update may (A3, B8). */
export function createInstalledRobots(options: {
  rest: PortalRest;
  installations: Installations;
  now: () => Date;
  log: Log;
}): InstalledRobots {
  const { rest, installations, now, log } = options;
  const seenAt = new Map<string, number>();
  const asking = new Map<string, { answer: Promise<boolean>; urgency: Urgency }>();
  const ageOf = (at: Date) => now().getTime() - at.getTime();
  const seen = (memberId: string, at: Date) => {
    const moment = performance.now() - Math.max(0, ageOf(at));
    seenAt.set(memberId, Math.max(seenAt.get(memberId) ?? Number.NEGATIVE_INFINITY, moment));
  };
  const isYoung = (ageMs: number) => ageMs >= 0 && ageMs < BELIEVED_MS;

  async function ask(memberId: string, priority: Urgency): Promise<boolean> {
    const { registered = {} } = installations.get(memberId) ?? {};
    let listed: string[];
    try {
      listed = toCodes(await rest.call(memberId, 'bizproc.robot.list', {}, { priority }));
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      if (['network', 'server', 'auth', 'limit'].includes(error.kind)) return false;
      // An installer who is no administrator any more may not list robots, but may send answers.
      seen(memberId, now());
      return true;
    }
    const codes = Object.keys(registered).filter((key) => !isTriggerKey(key) && !listed.includes(key));
    if (codes.length === 0) {
      seen(memberId, now());
      return true;
    }
    log.warn('robots.vanished', { memberId, codes });
    // The registration check sees this and adds them again.
    await installations.update(memberId, (known) => known && { ...known, registeredAt: undefined });
    return false;
  }

  return {
    seen,
    async isThere(memberId, priority) {
      const { registeredAt } = installations.get(memberId) ?? {};
      if (isYoung(performance.now() - (seenAt.get(memberId) ?? Number.NEGATIVE_INFINITY))) return true;
      if (registeredAt !== undefined && isYoung(ageOf(new Date(registeredAt)))) return true;
      const joined = asking.get(memberId);
      if (joined !== undefined) {
        // A first answer must not wait behind all reading because a second one asked before it.
        joined.urgency.raise(priority);
        return joined.answer;
      }
      const urgency = new Urgency(priority);
      const answer = ask(memberId, urgency).finally(() => asking.delete(memberId));
      asking.set(memberId, { answer, urgency });
      return answer;
    },
  };
}
