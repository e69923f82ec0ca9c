import pg from 'pg';
import { type NamedCall, startOwnRoutes } from './own-routes.ts';

/**
 * The bench's third baseline, how fast durable can be here: our own routes, which write the calls of one moment to the
 * same PostgreSQL as one text, as it is, and say 200 then. Nothing is sealed, nothing is looked for, nothing runs besides.
 */
const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] });
// The server stops before this program does.
client.on('error', () => undefined);
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS bench_calls (calls text NOT NULL)');
await client.query('ALTER TABLE bench_calls ALTER COLUMN calls SET STORAGE EXTERNAL');
let waiting: { call: NamedCall; done(): void }[] = [];
let writing = false;

async function write(): Promise<void> {
  while (waiting.length > 0) {
    await new Promise((resolve) => setImmediate(resolve));
    const group = waiting;
    waiting = [];
    await client.query({
      name: 'keep',
      text: 'INSERT INTO bench_calls (calls) VALUES ($1)',
      values: [JSON.stringify(group.map(({ call }) => call))],
    });
    for (const { done } of group) done();
  }
  writing = false;
}

startOwnRoutes(
  (call) =>
    new Promise((done) => {
      waiting.push({ call, done });
      if (writing) return;
      writing = true;
      void write();
    }),
);
