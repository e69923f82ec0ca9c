import { ConfigError, parseConfig } from './config.ts';
import { createLog } from './log.ts';
import { type Service, startService } from './service.ts';

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  let service: Service | null = null;
  const stop = (signal: string) => {
    log.info('service.stopping', { signal });
    // A start that still waits for its database has nothing open: what it took is on the disk.
    if (service === null) process.exit(0);
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
  service = await startService(config, { log, now: () => new Date(), random: Math.random });
}

main().catch((error) => {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else createLog('error').error('service.start_failed', { error });
  process.exit(1);
});
