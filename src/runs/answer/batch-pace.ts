/** While runs end by the dozen, a batch that is not full waits so long for more answers. */
const FILL_MS = 2_000;

/**
 * When answers of a portal may leave. A hit costs the portal as much with one answer as with twenty-five, so in a mass a batch
 * goes out full, or once in two seconds.
 */
export function createBatchPace(options: {
  batch: number;
  /** Runs of the portal end faster than each could be answered for itself. */
  isBusy(memberId: string): boolean;
  /** Looks for answers again. */
  wake(): void;
}) {
  const { batch, isBusy, wake } = options;
  /** Until when portals wait, by `performance.now()`. */
  const filling = new Map<string, number>();
  return {
    isOpen: (memberId: string) => (filling.get(memberId) ?? 0) <= performance.now(),
    /** So many answers leave now. */
    left(memberId: string, answers: number): void {
      if (answers >= batch || !isBusy(memberId)) return;
      filling.set(memberId, performance.now() + FILL_MS);
      setTimeout(wake, FILL_MS + 1).unref();
    },
  };
}
