import { setTimeout as sleep } from 'node:timers/promises';
import { type BatchAnswer, type BatchCommand, MAX_BATCH } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest, Priority } from '../rest/rest.ts';

/** What the portal answered to the commands of a hit, or to the whole of it. */
export type Hit = Record<string, BatchAnswer> | PortalError;

type Named = readonly [key: string, command: BatchCommand];

interface Asked {
  command: Named;
  resolve(hit: Hit): void;
  reject(error: unknown): void;
}

export interface ProofDesk {
  /** Asks one thing, and the witness, in a hit that is shared with others of this moment and priority. */
  ask(memberId: string, command: Named, priority: Priority): Promise<Hit>;
}

/** Needs no scope and no right, so it fails only where the whole hit does (bitrix24.md A2b). */
export const WITNESS: BatchCommand = { method: 'profile', params: {} };
/** Beside the witness. */
const MOST = MAX_BATCH - 1;
/** How long a hit waits for runs that begin at the same moment. */
const GATHER_MS = 50;

/**
 * Runs that read nothing still ask for their proofs, and many of them at once must not cost a hit each: those that come
 * while one hit is under way share the next one.
 */
export function createProofDesk(rest: PortalRest): ProofDesk {
  const lines = new Map<string, Asked[]>();

  async function hit(memberId: string, group: Asked[], priority: Priority): Promise<void> {
    const own = group.map(({ command }, index) => [`p${index}`, command[1]] as const);
    const commands = { ...Object.fromEntries(own), witness: WITNESS };
    try {
      const answers = await rest.batch(memberId, commands, { priority });
      const witness = answers['witness'] as BatchAnswer;
      for (const [index, { command, resolve }] of group.entries())
        resolve({ [command[0]]: answers[`p${index}`] as BatchAnswer, witness });
    } catch (error) {
      for (const { resolve, reject } of group) {
        if (error instanceof PortalError) resolve(error);
        else reject(error);
      }
    }
  }

  async function work(name: string, memberId: string, line: Asked[], priority: Priority): Promise<void> {
    while (line.length > 0) {
      if (line.length < MOST) await sleep(GATHER_MS);
      await hit(memberId, line.splice(0, MOST), priority);
    }
    lines.delete(name);
  }

  return {
    ask: (memberId, command, priority) =>
      new Promise((resolve, reject) => {
        const asked = { command, resolve, reject };
        const name = `${memberId} ${priority}`;
        const line = lines.get(name);
        if (line !== undefined) {
          line.push(asked);
          return;
        }
        const begun = [asked];
        lines.set(name, begun);
        void work(name, memberId, begun, priority);
      }),
  };
}
