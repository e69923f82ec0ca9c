import { startOwnRoutes } from './own-routes.ts';

/** The bench's second baseline: our own routes alone, and nothing is kept. */
startOwnRoutes(async () => undefined);
