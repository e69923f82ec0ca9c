import { parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { startService } from '../../src/service.ts';

/** The service as `src/main.ts` starts it, for tests that kill it: its runs are left to it for a shorter time. */
const config = parseConfig(process.env);
try {
  await startService(config, {
    log: createLog(config.LOG_LEVEL),
    now: () => new Date(),
    random: Math.random,
    leaseMs: 4_000,
  });
} catch (error) {
  createLog('error').error('service.start_failed', { error });
  process.exit(1);
}
