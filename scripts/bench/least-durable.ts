import pg from 'pg';
import { startFormExpress } from './form-express.ts';

/**
 * The bench's third baseline, how fast durable can be here: the bare Express, which writes the forms of one moment to
 * the same PostgreSQL as one text and says 200 then. It checks, seals and finds again nothing.
 */
const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] });
// The server stops before this program does.
client.on('error', () => undefined);
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS bench_forms (forms text NOT NULL)');
await client.query('ALTER TABLE bench_forms ALTER COLUMN forms SET STORAGE EXTERNAL');
let waiting: { form: unknown; done(): void }[] = [];
let writing = false;

async function write(): Promise<void> {
  while (waiting.length > 0) {
    await new Promise((resolve) => setImmediate(resolve));
    const group = waiting;
    waiting = [];
    await client.query({
      name: 'keep',
      text: 'INSERT INTO bench_forms (forms) VALUES ($1)',
      values: [JSON.stringify(group.map(({ form }) => form))],
    });
    for (const { done } of group) done();
  }
  writing = false;
}

startFormExpress((form, done) => {
  waiting.push({ form, done });
  if (writing) return;
  writing = true;
  void write();
});
