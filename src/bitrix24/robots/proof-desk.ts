import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';

/** What one run asks, and what the portal answered to it, or to the whole hit. */
type Commands = Record<string, BatchCommand>;
export type Hit = Record<string, BatchAnswer> | PortalError;

interface Asked {
  commands: Commands;
  resolve(hit: Hit): void;
  reject(error: unknown): void;
}

export interface ProofDesk {
  /** Asks in a hit that runs of the same moment share; `shared` stands in it once for all of them. */
  ask(memberId: string, commands: Commands, shared: Commands): Promise<Hit>;
}

/** Runs that go into one hit: each asks two things, and fifty commands are the most (bitrix24.md H3). */
const MOST = 24;
/** How long a hit waits for runs that begin at the same moment. */
const GATHER_MS = 50;

/**
 * Runs that read nothing still ask for their proofs, and many of them at once must not cost a hit each: those that come
 * while one hit is under way share the next one.
 */
export function createProofDesk(rest: PortalRest): ProofDesk {
  const lines = new Map<string, Asked[]>();

  async function hit(memberId: string, group: Asked[], shared: Commands): Promise<void> {
    const own = group.flatMap(({ commands }, index) =>
      Object.entries(commands).map(([key, command]) => [`${key}_${index}`, command] as const),
    );
    try {
      const answers = await rest.batch(memberId, { ...Object.fromEntries(own), ...shared });
      for (const [index, { commands, resolve }] of group.entries()) {
        const mine = Object.keys(commands).map((key) => [key, answers[`${key}_${index}`]]);
        const common = Object.keys(shared).map((key) => [key, answers[key]]);
        resolve(Object.fromEntries([...mine, ...common]));
      }
    } catch (error) {
      for (const { resolve, reject } of group) {
        if (error instanceof PortalError) resolve(error);
        else reject(error);
      }
    }
  }

  async function work(memberId: string, line: Asked[], shared: Commands): Promise<void> {
    while (line.length > 0) {
      await sleep(GATHER_MS);
      await hit(memberId, line.splice(0, MOST), shared);
    }
    lines.delete(memberId);
  }

  return {
    ask: (memberId, commands, shared) =>
      new Promise((resolve, reject) => {
        const asked = { commands, resolve, reject };
        const line = lines.get(memberId);
        if (line !== undefined) {
          line.push(asked);
          return;
        }
        const begun = [asked];
        lines.set(memberId, begun);
        void work(memberId, begun, shared);
      }),
  };
}
