import express from 'express';

/** An Express with its own form parser and nothing of the service; `take` says when the 200 may leave. */
export function startFormExpress(take: (form: unknown, done: () => void) => void): void {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/bitrix24/', (_request, response) => {
    response.status(200).end();
  });
  app.post(
    '/bitrix24/robots/:code',
    express.urlencoded({ extended: true, limit: '1mb', parameterLimit: 20_000 }),
    (request, response) => take(request.body, () => response.status(200).end()),
  );
  app.listen(Number(process.env['PORT']), '127.0.0.1');
}
