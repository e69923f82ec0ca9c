import { registerHooks } from 'node:module';
import { parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';

/**
 * The service as it is, but for the one place where a call is kept, which can be told to forget it
 * (forgetful-spooling.ts). So one process shows what keeping costs: two of the same code differ by more than that.
 */
const PLACE = new URL('../../src/runs/spooling.ts', import.meta.url).href;
const INSTEAD = new URL('./forgetful-spooling.ts', import.meta.url).href;
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url === PLACE && context.parentURL !== INSTEAD ? { ...found, url: INSTEAD } : found;
  },
});

const { startService } = await import('../../src/service.ts');
const service = await startService(parseConfig(process.env), {
  log: createLog('error'),
  now: () => new Date(),
  random: Math.random,
});
process.once('SIGTERM', () => void service.stop().then(() => process.exit(0)));
