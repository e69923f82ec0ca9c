import { startFormExpress } from './form-express.ts';

/** The bench's first baseline: Express's form parser and an empty 200, no storage. */
startFormExpress((_form, done) => done());
