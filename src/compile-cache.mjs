import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Loaded before everything else: keeps what Node makes of our sources beside the packages, so that a start neither
 * compiles them nor loads Node's TypeScript reader, which takes 20 MB. Where it cannot be written, a start just does both.
 */
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)));
