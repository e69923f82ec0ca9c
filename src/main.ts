import { ConfigError, parseConfig } from './config.ts';
import { createLog } from './log.ts';
import { startService } from './service.ts';

try {
  const config = parseConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  const service = await startService(config, { log, now: () => new Date(), random: Math.random });
  const stop = (signal: string) => {
    log.info('service.stopping', { signal });
    service.stop().then(
      () => process.exit(0),
      (error) => {
        log.error('service.stop_failed', { error });
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
} catch (error) {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else createLog('error').error('service.start_failed', { error });
  process.exit(1);
}
