import express from 'express';
import pg from 'pg';

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

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/bitrix24/', (_request, response) => {
  response.status(200).end();
});
app.post(
  '/bitrix24/robots/:code',
  express.urlencoded({ extended: true, limit: '1mb', parameterLimit: 20_000 }),
  (request, response) => {
    waiting.push({ form: request.body, done: () => response.status(200).end() });
    if (writing) return;
    writing = true;
    void write();
  },
);
app.listen(Number(process.env['PORT']), '127.0.0.1');
