import { fileURLToPath } from 'node:url';
import manifest from '../package.json' with { type: 'json' };

const [, ...WORDS] = manifest.scripts.start.split(' ');

/** What `npm start` gives to Node before the program, for whoever starts the service by itself: from any folder. */
export const START_FLAGS: readonly string[] = WORDS.slice(0, -1).map((word) =>
  word.startsWith('./') ? fileURLToPath(new URL(`../${word}`, import.meta.url)) : word,
);
