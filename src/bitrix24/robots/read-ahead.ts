import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { type ManyItems, readMany } from '../crm/reading/read-many.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { askForProof } from './call-proof.ts';
import type { Hit, ProofDesk } from './proof-desk.ts';

/** What the portal has said of a run before its attempt began; null where the attempt asks itself. */
export interface Ahead {
  items: ManyItems | null;
  proof: Hit | null;
}

/** A run that will be attempted soon. */
export interface RunAhead<Run> {
  run: Run;
  /** Null for a robot that reads nothing of its item. */
  item: ItemRef | null;
  /** What the step sent: people named in it are read with the item. */
  properties: Readonly<Record<string, string | readonly string[]>>;
  eventToken: string;
  /** Its call was accepted in an earlier attempt. */
  accepted: boolean;
}

export interface ReadAhead {
  /** Whether the portal has what reading ahead needs; after a refusal, or while it is away, single readings do. */
  isOpen(memberId: string): boolean;
  /**
   * Reads the items of these runs together and asks for the proofs of their calls, fifty in a hit (bitrix24.md F1a, D3).
   * `onReady` is called once for each, as soon as its own part is there.
   */
  read<Run>(
    memberId: string,
    runs: readonly RunAhead<Run>[],
    onReady: (run: Run, ahead: Ahead) => void,
  ): Promise<void>;
}

/** A portal that refused a list is asked again after so long: its plan or the installer's rights may have changed. */
const REFUSED_MS = 600_000;
/** One that was away, or blocks a method for its operating time. */
const AWAY_MS = 15_000;

export function createReadAhead(options: { rest: PortalRest; desk: ProofDesk; log: Log }): ReadAhead {
  const { rest, desk, log } = options;
  /** Until when a portal's runs are read singly, by `performance.now()`. */
  const closed = new Map<string, number>();

  function close(memberId: string, error: PortalError): void {
    const ms = error.retry ? (error.retryAfterMs ?? AWAY_MS) : REFUSED_MS;
    closed.set(memberId, performance.now() + ms);
    const facts = { memberId, reason: error.message, code: error.code, seconds: Math.ceil(ms / 1_000) };
    log.warn('portal.not_read_ahead', facts);
  }

  async function readItems(memberId: string, runs: readonly RunAhead<unknown>[]): Promise<ManyItems | null> {
    const wanted = runs.flatMap(({ item, properties }) =>
      item === null ? [] : [{ ref: item, users: usersIn(properties) }],
    );
    if (wanted.length === 0) return null;
    try {
      return await readMany(rest, memberId, wanted);
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      close(memberId, error);
      return null;
    }
  }

  return {
    isOpen: (memberId) => (closed.get(memberId) ?? 0) <= performance.now(),
    async read(memberId, runs, onReady) {
      const items = await readItems(memberId, runs);
      // The single reading, which follows now, brings the proof with it.
      const isLost = items === null && runs.some(({ item }) => item !== null);
      await Promise.all(
        runs.map(async ({ run, eventToken, accepted }) => {
          const isAsked = !accepted && !isLost;
          const proof = isAsked ? await askForProof(desk, { memberId, eventToken }, 'ahead') : null;
          if (proof instanceof PortalError && proof.kind === 'refused') close(memberId, proof);
          onReady(run, { items, proof });
        }),
      );
    },
  };
}

/** Portal users that a step names (bitrix24.md C3). */
function usersIn(properties: RunAhead<unknown>['properties']): number[] {
  return Object.values(properties)
    .flat()
    .flatMap((text) => /^\s*user_(\d{1,9})\s*$/.exec(text)?.[1] ?? [])
    .map(Number)
    .filter((id) => id > 0);
}
