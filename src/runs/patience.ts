/** Fails after `ms` when `work` has not ended; what it does later is heard by nobody. @throws LateError */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new LateError()), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Something did not end in its time; it still may. */
export class LateError extends Error {
  override readonly name = 'LateError';

  constructor() {
    super('no answer in time');
  }
}

/** How exactly `createPatience` keeps time. */
const LOOK_MS = 25;

/**
 * As `within` for very many works at once: one timer looks after all of them, because in a burst of calls a timer for
 * each costs as much as reading the call.
 */
export function createPatience() {
  const waiting = new Set<{ until: number; reject(error: LateError): void }>();
  let looking = false;

  function look(): void {
    const time = performance.now();
    for (const one of waiting) {
      if (one.until > time) continue;
      waiting.delete(one);
      one.reject(new LateError());
    }
    looking = waiting.size > 0;
    if (looking) setTimeout(look, LOOK_MS);
  }

  return {
    /** Fails when `work` has not ended at `until`, by `performance.now()`. @throws LateError */
    wait: <T>(until: number, work: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const one = { until, reject };
        waiting.add(one);
        if (!looking) setTimeout(look, LOOK_MS);
        looking = true;
        work.then(
          (result) => {
            waiting.delete(one);
            resolve(result);
          },
          (error) => {
            waiting.delete(one);
            reject(error);
          },
        );
      }),
  };
}
