import { createHmac } from 'node:crypto';
import type { Express, Request, Response } from 'express';
import { record } from '../journal.ts';
import { takeRule } from '../misbehave.ts';
import { grantOf } from '../tokens.ts';
import type { Fields } from '../types.ts';
import { int, RestError, text } from '../wire.ts';
import type { World } from '../world.ts';
import type { MadeDocument } from './memory.ts';

const SERVICE = '/bitrix/services/main/ajax.php';
const METHOD = 'crm.documentgenerator.document';
const KINDS = { download: 'docx', getPdf: 'pdf', getImage: 'jpg' } as const;
type Kind = keyof typeof KINDS;

const signed = (world: World, kind: Kind, id: number): string =>
  `${kind}|${id}|${createHmac('sha256', world.eventKey).update(`${kind}|${id}`).digest('hex')}`;

/** Lives as long as the access token in it; no header is needed, whoever has it reads the file. */
const machineUrl = (world: World, kind: Kind, id: number, token: string): string =>
  `${world.url}/rest/${METHOD}.${kind}.json?auth=${token}&token=${encodeURIComponent(signed(world, kind, id))}`;

/** For a person with a session in the browser. */
const sessionUrl = (world: World, kind: Kind, id: number): string =>
  `${world.url}${SERVICE}?action=${METHOD}.${kind}&SITE_ID=s1&id=${id}`;

const isReady = (world: World, kind: Kind, document: MadeDocument): boolean =>
  kind === 'download'
    ? document.docxAt <= world.now().getTime()
    : !document.transformationError && document.pdfAt <= world.now().getTime();

/** A document as its methods show it to the owner of `token`; lists hold texts where single answers hold numbers. */
export function shown(world: World, document: MadeDocument, token: string, inList = false): Fields {
  const number = (value: number | null): unknown => (inList && value !== null ? String(value) : value);
  const urls = (name: string, kind: Kind): Fields =>
    isReady(world, kind, document)
      ? {
          [`${name}Url`]: sessionUrl(world, kind, document.id),
          [`${name}UrlMachine`]: machineUrl(world, kind, document.id, token),
        }
      : {};
  return {
    ...urls('download', 'download'),
    publicUrl: document.public ? `${world.url}/pub/document/${document.id}/` : null,
    id: number(document.id),
    title: document.title,
    number: document.number,
    createTime: document.createTime,
    createdBy: number(document.createdBy),
    updateTime: document.updateTime,
    updatedBy: number(document.updatedBy),
    stampsEnabled: document.stampsEnabled,
    isTransformationError: document.transformationError,
    ...(document.transformationError
      ? { transformationErrorCode: '102', transformationErrorMessage: 'Не удалось преобразовать документ' }
      : {}),
    values: document.values,
    templateId: String(document.templateId),
    ...urls('pdf', 'getPdf'),
    ...urls('image', 'getImage'),
    entityId: String(document.entityId),
    entityTypeId: String(document.entityTypeId),
  };
}

function fileOf(world: World, kind: Kind, given: string): { name: string; bytes: Buffer } {
  const id = int(given.split('|')[1]);
  const document = world.generator.documents.get(id);
  if (given !== signed(world, kind, id)) throw new RestError(403, 'ACCESS_DENIED', 'Access denied!');
  if (document === undefined || !isReady(world, kind, document)) {
    throw new RestError(404, 'ERROR_NOT_FOUND', 'File not found');
  }
  const bytes = kind === 'download' ? document.bytes : Buffer.from(`%PDF-1.7 ${document.title}`);
  return { name: `${document.title}.${KINDS[kind]}`, bytes };
}

/** Addresses of the files: for machines by token, for people by a session that no machine has. */
export function addGeneratorFiles(app: Express, world: World): void {
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const method = `${METHOD}.${kind}`;
    app.get(`/rest/${method}.json`, async (request: Request, response: Response) => {
      const { auth: _auth, ...query } = request.query;
      const rule = takeRule(world, method, query);
      if (rule?.delayMs !== undefined) await new Promise((done) => setTimeout(done, rule.delayMs));
      if (rule?.hang === true) return void record(world, method, query, 0, 'hang', false);
      if (rule?.status !== undefined) {
        record(world, method, query, rule.status, undefined, false);
        return void response.status(rule.status).send(rule.body ?? '');
      }
      try {
        grantOf(world, text(request.query['auth']));
        const { name, bytes } = fileOf(world, kind, text(request.query['token']));
        record(world, method, query, 200, undefined, false);
        response.attachment(name).type('application/octet-stream').send(bytes);
      } catch (thrown) {
        const { status, code, message } =
          thrown instanceof RestError ? thrown : new RestError(500, 'INTERNAL_SERVER_ERROR', '');
        record(world, method, query, status, code, false);
        response.status(status).json({ error: code, error_description: message });
      }
    });
  }
  app.get(SERVICE, (_request, response) => {
    response.send('<!DOCTYPE html><title>Авторизация</title><form action="/auth/"></form>');
  });
}
