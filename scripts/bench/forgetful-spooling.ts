import { createSpooling as createReal } from '../../src/runs/spooling.ts';

export * from '../../src/runs/spooling.ts';

/** The signal by which the keeping of calls is switched off, and on again. */
export const SWITCH = 'SIGUSR2';

/** Keeps calls as the service does; or checks and names them, which is told from memory here, and forgets them. */
export const createSpooling: typeof createReal = (ports) => {
  const real = createReal(ports);
  let keeps = true;
  process.on(SWITCH, () => {
    keeps = !keeps;
  });
  return {
    ...real,
    async take(call) {
      if (keeps) return real.take(call);
      if (ports.check(call) !== 'ok') return 'forbidden';
      ports.toRun(call, ports.now());
      return 'accepted';
    },
  };
};
