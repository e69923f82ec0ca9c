import type { Handler } from '../../src/outbox/handler.ts';
import { createOutboxLoop } from '../../src/outbox/outbox-loop.ts';
import type { Log } from '../../src/robot/ports/log.ts';

/** Sends once what is due, by these handlers. */
export async function outboxStep(
  handlers: Handler[],
  { seal, now, log }: { seal: { decrypt(text: string): string }; now: () => Date; log: Log },
): Promise<void> {
  const loop = createOutboxLoop({ handlers, seal, now, log });
  loop.wake();
  await loop.stop();
}
