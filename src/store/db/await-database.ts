import { isOutage, wasTurnedAway } from './outage.ts';

export const RETRY_MS = 1_000;
const SAY_EVERY = 30;

/**
 * Opens what needs a database that may not be there yet, again and again. After each try that found
 * it away `onAway` is called and waited for; one in thirty is to be said. @throws what `open` threw, unless it is an outage
 */
export async function awaitDatabase<Opened>(
  open: () => Promise<Opened>,
  onAway: (error: unknown, isToBeSaid: boolean) => Promise<void>,
): Promise<Opened> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await open();
    } catch (error) {
      if (!isOutage(error) || wasTurnedAway(error)) throw error;
      await onAway(error, tries % SAY_EVERY === 0);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
