import { parseRobotCall } from '../../src/bitrix24/call.ts';
import { isSameSecret } from '../../src/bitrix24/proof.ts';
import { createApp } from '../../src/http/app.ts';
import { createMetrics, UNMEASURED } from '../../src/http/metrics.ts';
import { toDeadline, toKeptCall, toRunId } from '../../src/runs/call.ts';

/** What is known of a call before it is written. */
export interface NamedCall {
  id: string;
  call: string;
  deadlineAt: Date;
}

/** Our own routes and all that is done to a call before it is written: reading, checking and naming it. */
export function startOwnRoutes(keep: (call: NamedCall) => Promise<void>): void {
  const applicationToken = process.env['APPLICATION_TOKEN'] ?? '';
  const unused = () => Promise.reject(new Error('not part of the bench'));
  const app = createApp({
    knownRobot: () => true,
    async takeCall(_code, body) {
      const call = parseRobotCall(body);
      if (!isSameSecret(applicationToken, call.applicationToken)) return { result: 'forbidden' };
      await keep({
        id: toRunId(call.memberId, call.eventToken),
        call: JSON.stringify(toKeptCall(call)),
        deadlineAt: toDeadline(new Date(), 24, call.timeoutSeconds),
      });
      return { result: 'accepted' };
    },
    install: unused,
    event: unused,
    readiness: unused,
    metrics: createMetrics(async () => ({ ...UNMEASURED, spoolCalls: 0 })),
    opsToken: null,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  app.listen(Number(process.env['PORT']), '127.0.0.1');
}
