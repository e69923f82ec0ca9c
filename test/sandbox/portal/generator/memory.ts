import type { Fields } from '../types.ts';
import { asList, isoTime, RestError, text } from '../wire.ts';
import { nextId, type World } from '../world.ts';

export interface Template {
  id: number;
  name: string;
  code: string;
  region: string;
  /** `2`, or `2_category_3` for one funnel, which nothing enforces. */
  entityTypeId: string[];
  /** Access codes; empty = only its creator. */
  users: string[];
  createdBy: number;
  active: boolean;
  deleted: boolean;
  numeratorId: number;
  sort: number;
  createTime: string;
  bytes: Buffer;
}

export interface Numerator {
  id: number;
  name: string;
  template: string;
  next: number;
}

export interface MadeDocument {
  id: number;
  title: string;
  number: string;
  templateId: number;
  entityTypeId: number;
  entityId: number;
  values: Fields;
  stampsEnabled: boolean;
  createdBy: number;
  updatedBy: number | null;
  createTime: string;
  updateTime: string;
  /** Moments in ms from which the files are there. */
  docxAt: number;
  pdfAt: number;
  transformationError: boolean;
  public: boolean;
  bytes: Buffer;
}

/** What the document generator remembers (bitrix24.md F7a). */
export interface Generator {
  templates: Map<number, Template>;
  numerators: Map<number, Numerator>;
  documents: Map<number, MadeDocument>;
  /** What a user may not do: `templates` (change them), `create`, `view`. */
  lacking: Map<number, Set<'templates' | 'create' | 'view'>>;
}

export const emptyGenerator = (): Generator => ({
  templates: new Map(),
  numerators: new Map([[1, { id: 1, name: 'Основной', template: '{NUMBER}', next: 1 }]]),
  documents: new Map(),
  lacking: new Map(),
});

/** Errors of this module mostly have the code 0. */
export const zero = (words: string): RestError => new RestError(400, '0', words);

export function demandRight(world: World, userId: number, right: 'templates' | 'create' | 'view'): void {
  if (world.generator.lacking.get(userId)?.has(right) !== true) return;
  throw new RestError(400, 'DOCGEN_ACCESS_ERROR', 'Access denied');
}

export interface GivenTemplate {
  name: string;
  /** What the docx holds: text with {Placeholders}, or bytes that are copied as they are. */
  content?: string | Buffer;
  entityTypeId?: string[];
  users?: string[];
  createdBy?: number;
  active?: boolean;
  region?: string;
  numeratorId?: number;
}

export function addTemplate(world: World, given: GivenTemplate): number {
  const id = nextId(world, 'docTemplate', 39);
  world.generator.templates.set(id, {
    id,
    name: given.name,
    code: '',
    region: given.region ?? 'ru',
    entityTypeId: given.entityTypeId ?? ['2'],
    users: given.users ?? ['UA'],
    createdBy: given.createdBy ?? 1,
    active: given.active ?? true,
    deleted: false,
    numeratorId: given.numeratorId ?? 1,
    sort: 500,
    createTime: isoTime(world.now()),
    bytes: Buffer.from(given.content ?? 'Договор {DocumentNumber} {Title}'),
  });
  return id;
}

/** `UA` is everybody, `U5` one person, `D3` a department. */
export function mayUse(world: World, template: Template, userId: number): boolean {
  if (template.users.length === 0) return template.createdBy === userId;
  const departments = asList(world.users.get(userId)?.['UF_DEPARTMENT']);
  return template.users.some(
    (code) => code === 'UA' || code === `U${userId}` || departments.some((one) => code === `D${text(one)}`),
  );
}

/** The next number of a template; taking it is final, whatever becomes of the document. */
export function takeNumber(world: World, template: Template): string {
  const numerator = world.generator.numerators.get(template.numeratorId);
  if (numerator === undefined || world.misbehave.documents.numberFails) {
    throw zero('Error getting next number');
  }
  return numerator.template.replace('{NUMBER}', String(numerator.next++));
}
