import type { Log } from '../../robot/ports/log.ts';

/** Runs `work` when woken, one at a time, and again while it says there is more. */
export function createLoop(work: () => Promise<boolean>, log: Log) {
  let running: Promise<void> | null = null;
  let again = false;
  let stopping = false;
  async function run(): Promise<void> {
    let more = true;
    while ((more || again) && !stopping) {
      again = false;
      try {
        more = await work();
      } catch (error) {
        // What a stop cuts off is done by the next start.
        log[stopping ? 'debug' : 'warn']('loop.failed', { error });
        more = false;
      }
    }
    // No `await` between the check of `again` and this line, so a wake after the check starts the loop anew.
    running = null;
  }
  return {
    wake: () => {
      again = true;
      if (stopping) return;
      running ??= run();
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
