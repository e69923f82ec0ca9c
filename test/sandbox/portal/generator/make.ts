import { itemsOf } from '../entities.ts';
import type { Fields } from '../types.ts';
import { isObject, isoTime, RestError, text } from '../wire.ts';
import { nextId, type World } from '../world.ts';
import { type MadeDocument, type Template, takeNumber, zero } from './memory.ts';

/** A company's own requisite as placeholders name its fields: RQ_INN is RequisiteRqInn. */
function requisiteValues(world: World, companyId: unknown, prefix: string): Fields {
  const row = world.requisites.find(
    (one) => one['ENTITY_TYPE_ID'] === '4' && one['ENTITY_ID'] === text(companyId),
  );
  const named = (name: string): string =>
    name.toLowerCase().replace(/(?:^|_)([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [`${prefix}Requisite${named(name)}`, text(value)]),
  );
}

/** What placeholders hold now; an item that is not there leaves them empty. */
export function presentValues(world: World, entityTypeId: number, entityId: number): Fields {
  const item = itemsOf(world, entityTypeId).get(entityId) ?? {};
  return {
    Title: text(item['title']),
    TotalSum: text(item['opportunity']),
    ...requisiteValues(world, item['companyId'], ''),
    ...requisiteValues(world, item['mycompanyId'], 'MyCompany'),
  };
}

/** Values put in by the caller: `values` by name, `fields` as `{Name: {VALUE}}`. */
export function ownValues(params: Fields): Fields {
  const fields = isObject(params['fields']) ? Object.entries(params['fields']) : [];
  return {
    ...Object.fromEntries(
      fields.flatMap(([name, one]) => (isObject(one) && 'VALUE' in one ? [[name, one['VALUE']]] : [])),
    ),
    ...(isObject(params['values']) ? params['values'] : {}),
  };
}

/** Placeholders of a text are filled, unknown ones stay empty; a real docx comes out as it was. */
function fill(bytes: Buffer, values: Fields): Buffer {
  if (bytes.subarray(0, 2).toString('latin1') === 'PK') return bytes;
  return Buffer.from(
    bytes.toString('utf8').replace(/\{(\w+)\}/g, (_match, name: string) => text(values[name])),
  );
}

/** Fills a document anew; its PDF begins again. */
export function refill(world: World, document: MadeDocument, template: Template): void {
  const now = world.now();
  const { pdfDelayMs, docxDelayMs, transformationError } = world.misbehave.documents;
  document.bytes = fill(template.bytes, {
    ...presentValues(world, document.entityTypeId, document.entityId),
    DocumentTitle: document.title,
    DocumentCreateTime: document.createTime.slice(0, 10).split('-').reverse().join('.'),
    ...document.values,
    DocumentNumber: document.number,
  });
  document.docxAt = now.getTime() + docxDelayMs;
  document.pdfAt = now.getTime() + pdfDelayMs;
  document.transformationError = transformationError;
  document.updateTime = isoTime(now);
}

export interface Request {
  template: Template;
  entityTypeId: number;
  entityId: number;
  values: Fields;
  stampsEnabled: boolean;
  userId: number;
}

/** Every call makes another document and takes the next number, unless the caller brings one. */
export function makeDocument(world: World, request: Request): MadeDocument {
  const { template, values } = request;
  const { limit } = world.misbehave.documents;
  if (limit !== null && world.generator.documents.size >= limit) {
    throw new RestError(400, 'DOCGEN_LIMIT_ERROR', 'Maximum count of documents has been reached');
  }
  if (template.deleted) throw zero('Cannot create document on deleted template');
  const number = text(values['DocumentNumber']) || takeNumber(world, template);
  const now = isoTime(world.now());
  const document: MadeDocument = {
    id: nextId(world, 'document', 61),
    title: text(values['DocumentTitle']) || `${template.name} ${number}`,
    number,
    templateId: template.id,
    entityTypeId: request.entityTypeId,
    entityId: request.entityId,
    values: { ...values, _creationMethod: 'rest', stampsEnabled: request.stampsEnabled },
    stampsEnabled: request.stampsEnabled,
    createdBy: request.userId,
    updatedBy: null,
    createTime: now,
    updateTime: now,
    docxAt: 0,
    pdfAt: 0,
    transformationError: false,
    public: false,
    bytes: Buffer.alloc(0),
  };
  refill(world, document, template);
  world.generator.documents.set(document.id, document);
  return document;
}
