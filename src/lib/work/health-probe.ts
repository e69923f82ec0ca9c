import { within } from './timeout.ts';

/**
 * Whether something answers, asked every `everyMs`. Silence of `limitMs` counts as down, so what it says is never older
 * than both together.
 */
export function createHealthProbe(
  ask: () => Promise<void>,
  { everyMs, limitMs }: { everyMs: number; limitMs: number },
) {
  let state: 'ok' | 'down' = 'down';
  const beat = async () => {
    state = await within(limitMs, ask()).then(
      () => 'ok' as const,
      () => 'down' as const,
    );
  };
  const first = beat();
  const timer = setInterval(() => void beat(), everyMs);
  return {
    /** Ends with the first answer. */
    first,
    state: () => state,
    stop: () => clearInterval(timer),
  };
}
