import type { Portal } from '../../test/sandbox/portal/portal.ts';

/** Says in the language of whoever looks on. */
export type Say = (en: string, ru: string) => string;

/** Looks again and again until something is seen. @throws with `tooLate` */
export async function until<T>(
  tooLate: string,
  timeoutMs: number,
  look: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look().catch(() => null);
    if (seen) return seen;
    if (Date.now() > end) throw new Error(tooLate);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The outputs of a step that went well. @throws with the robot's own words otherwise */
export async function answerOf(
  portal: Portal,
  workflow: string,
  code: string,
  t: Say,
): Promise<Record<string, string>> {
  const { outputs } = await portal.waitForStep(workflow, code, 30_000);
  const answer = outputs as Record<string, string>;
  if (answer['ok'] !== 'Y') {
    const said = `${answer['error_code']}: ${answer['error_text']}`;
    throw new Error(t(`${code} answered ${said}`, `${code} ответил ${said}`));
  }
  return answer;
}
