/** Seconds before the next try, by the tries that failed (directum.md A.10 asks for the first of them). */
const LADDER_SECONDS: readonly number[] = [5, 15, 60, 120, 300, 900];
/** For what a deal stands still: it is tried every five minutes at least. */
export const PROMPT_SECONDS: readonly number[] = LADDER_SECONDS.slice(0, -1);
/** Tries that failed together are spread by up to this part of their pause. */
const SPREAD = 0.2;

/**
 * How long to wait after `tries` failed ones. Without `random` nothing is spread: what fails in one batch is then tried
 * again in one batch.
 */
export function pauseMs(tries: number, ladder = LADDER_SECONDS, random: () => number = () => 0): number {
  const step = ladder[Math.min(Math.max(tries, 1), ladder.length) - 1] ?? 0;
  return Math.round(step * 1000 * (1 + SPREAD * random()));
}
