import { onTestFinished, vi } from 'vitest';

/** Until the test ends, more time has passed than really has, as `performance.now()` tells it; `Date` stays as it is. */
export function passingTime() {
  const really = performance.now.bind(performance);
  let more = 0;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => really() + more);
  onTestFinished(() => spy.mockRestore());
  return {
    pass(ms: number) {
      more += ms;
    },
  };
}

/** Until the test ends, `Date` stands where a wall clock stands that was set back by so much. */
export function setDateBack(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - ms });
  onTestFinished(() => void vi.useRealTimers());
}
