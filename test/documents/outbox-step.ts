import type { Handler } from '../../src/outbox/handler.ts';
import { createOutboxLoop } from '../../src/outbox/outbox-loop.ts';
import type { Log } from '../../src/robot/ports/log.ts';
import type { Quarantine } from '../../src/store/feeds/quarantine.ts';

/** Sends once what is due, by these handlers. */
export async function outboxStep(
  handlers: Handler[],
  ports: { quarantine: Quarantine; seal: { decrypt(text: string): string }; now: () => Date; log: Log },
): Promise<void> {
  const loop = createOutboxLoop({ ...ports, handlers });
  loop.wake();
  await loop.stop();
}
