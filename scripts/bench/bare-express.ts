import { startFormExpress } from './form-express.ts';

/** The bench's first baseline: the same parser and an empty 200, no storage. */
startFormExpress((_form, done) => done());
