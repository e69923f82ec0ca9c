import express from 'express';

/** The bench's first baseline: an Express with its own form parser and an empty 200, and nothing of the service. */
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/bitrix24/', (_request, response) => {
  response.status(200).end();
});
app.post(
  '/bitrix24/robots/:code',
  express.urlencoded({ extended: true, limit: '1mb', parameterLimit: 20_000 }),
  (_request, response) => {
    response.status(200).end();
  },
);
app.listen(Number(process.env['PORT']), '127.0.0.1');
