import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { addFrames } from './frames/host-pages.ts';
import { addGeneratorFiles } from './generator/files.ts';
import { record } from './journal.ts';
import { oauthRoute } from './oauth.ts';
import { addPages } from './page.ts';
import { type Rate, restRoute } from './rest.ts';
import { grantOf } from './tokens.ts';
import { int, type Methods, text } from './wire.ts';
import type { World } from './world.ts';

export function createApp(world: World, methods: Methods, rate: Rate): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'extended');
  // In life the OAuth server is another host: a renamed portal does not move it.
  app.use((request: Request, response: Response, next: NextFunction) => {
    const here = `http://${request.headers.host ?? ''}`;
    if (here !== world.url && world.url !== world.oauthUrl && !request.path.startsWith('/oauth/')) {
      record(world, request.path.replace(/^\/rest\//, '').replace(/\.json$/, ''), {}, 302, 'moved', false);
      response.redirect(302, `${world.url}${request.originalUrl}`);
    } else next();
  });
  app.use(express.json({ limit: '200mb' }));
  app.use(express.urlencoded({ extended: true, limit: '200mb', parameterLimit: 100_000 }));
  app.get('/rest/download.json', (request, response) => {
    try {
      grantOf(world, text(request.query['auth']));
      const file = world.files.get(int(text(request.query['token']).split('|')[1]));
      if (file === undefined) response.status(404).send('File not found');
      else response.attachment(file.name).type('application/octet-stream').send(file.bytes);
    } catch {
      response
        .status(401)
        .json({ error: 'expired_token', error_description: 'The access token has expired.' });
    }
  });
  addGeneratorFiles(app, world);
  app.all(['/oauth/token', '/oauth/token/'], oauthRoute(world));
  app.all('/rest/*path', restRoute(world, methods, rate));
  addFrames(app, world);
  addPages(app, world);
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    response.status(400).json({ error: 'INVALID_REQUEST', error_description: String(error) });
  });
  return app;
}

export async function listen(
  app: Express,
  port: number,
  host: string,
): Promise<{ server: Server; url: string }> {
  const server = createServer(app);
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, done);
  });
  return { server, url: `http://${host}:${(server.address() as AddressInfo).port}` };
}
