import type { ClaimsPort } from '../robot/ports.ts';
import { runInstallSteps, type StepsResult } from './install-steps.ts';

const AFTER_MS = [10_000, 60_000, 300_000, 1_800_000];

/** The steps of an installation, and their resumption where they broke off: no answer leaves before (bitrix24.md B8). */
export function createSteps(
  options: Omit<Parameters<typeof runInstallSteps>[0], 'memberId'> & { claims: ClaimsPort },
) {
  const { installations, claims, now, log } = options;
  const underWay = new Set<string>();
  const open = new Map<string, { tries: number; at: number }>();

  async function steps(memberId: string): Promise<StepsResult> {
    underWay.add(memberId);
    try {
      return await runInstallSteps({ ...options, memberId });
    } finally {
      underWay.delete(memberId);
    }
  }

  async function again(memberId: string): Promise<void> {
    await claims.hold(`register:${memberId}`, async () => {
      const known = await installations.fresh(memberId);
      if (known?.state === 'active' && known.registeredAt === undefined) await steps(memberId);
    });
  }

  return {
    steps,
    /** Looks for unknown registrations; each is taken up again after a growing pause. */
    async resume(): Promise<void> {
      const time = now().getTime();
      for (const { memberId, state, registeredAt } of installations.list()) {
        if (state !== 'active' || registeredAt !== undefined || underWay.has(memberId)) {
          open.delete(memberId);
          continue;
        }
        const { tries, at } = open.get(memberId) ?? { tries: 0, at: time + (AFTER_MS[0] as number) };
        if (at > time) {
          open.set(memberId, { tries, at });
          continue;
        }
        const pause = AFTER_MS[Math.min(tries + 1, AFTER_MS.length - 1)] as number;
        open.set(memberId, { tries: tries + 1, at: time + pause });
        log.info('registration.resumed', { memberId, tries });
        await again(memberId);
      }
    },
  };
}
