import { z } from 'zod';
import { toVisible } from '../../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../../robot/failure.ts';
import type { OpenFile } from '../../../robot/ports/files.ts';
import type { Log } from '../../../robot/ports/log.ts';
import type { CrmTemplate, GenerateRequest, ItemRef } from '../../../robot/ports/portal.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { PortalRest } from '../../rest/rest.ts';
import { toGeneratorFailure } from './generator-failure.ts';
import { type FileOptions, openPortalFile } from './portal-file.ts';

const GENERATOR = 'crm.documentgenerator';
const PAGE = 50;
/** Beyond any list that a person made. */
const MOST_PAGES = 40;

const id = z.coerce.number().int().positive();
/** Lists of the generator are objects keyed by id (bitrix24.md F7a); PHP makes an array of an empty one. */
const listOf = <Row extends z.ZodType>(row: Row) =>
  z
    .union([z.array(z.unknown()), z.record(z.string(), z.unknown())])
    .transform((rows) => Object.values(rows).flatMap((one) => row.safeParse(one).data ?? []));
const templateShape = z.looseObject({
  id,
  name: z.string(),
  active: z.unknown().optional(),
  entityTypeId: z.union([z.array(z.coerce.string()), z.record(z.string(), z.coerce.string())]).optional(),
});
const documentShape = z.looseObject({
  id,
  title: z.string().catch(''),
  downloadUrlMachine: z.string().min(1).max(4_096).optional().catch(undefined),
});
type Generated = z.output<typeof documentShape>;

interface GeneratorPorts extends FileOptions {
  rest: PortalRest;
  memberId: string;
  ref: ItemRef;
  /** The token that came with the call: its user makes the document (bitrix24.md C4). */
  access: string | undefined;
  log: Log;
}

/**
 * The document template of that name or id that fits the item (bitrix24.md F7a).
 * @throws RobotFailure reference_not_found, reference_ambiguous, or of the portal
 */
export async function findTemplate(
  ports: Pick<GeneratorPorts, 'rest' | 'memberId' | 'ref' | 'log'>,
  wanted: string,
  label: LocalText,
): Promise<CrmTemplate> {
  let all: Template[];
  try {
    all = await listTemplates(ports);
  } catch (error) {
    throw toGeneratorFailure(error, label, ports.log);
  }
  const found = named(
    all.filter(({ entityTypeId }) => isFor(ports.ref.typeId, entityTypeId)),
    wanted,
  );
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return { id: only.id, name: only.name };
  if (only === undefined) throw notFound(wanted, label);
  const ids = found.map((one) => one.id).join(', ');
  throw new RobotFailure('reference_ambiguous', {
    ru: `«${label.ru}»: на портале несколько шаблонов «${wanted}» (ИД ${ids}). Укажите ИД нужного.`,
    en: `«${label.en}»: the portal has several templates «${wanted}» (ids ${ids}). Give the id of the right one.`,
  });
}

async function listTemplates({ rest, memberId }: Pick<GeneratorPorts, 'rest' | 'memberId'>) {
  const shape = z.looseObject({ templates: listOf(templateShape) });
  return pages(async (start) => {
    const answer = await rest.call(memberId, `${GENERATOR}.template.list`, {
      select: ['id', 'name', 'active', 'entityTypeId'],
      order: { id: 'ASC' },
      start,
    });
    return readAs(shape, answer).templates.filter(
      ({ active }) => !['N', '0', 'false'].includes(String(active)),
    );
  });
}

/** Is there a template of that name or id for items of any type? @throws RobotFailure */
export async function hasTemplate(
  ports: Pick<GeneratorPorts, 'rest' | 'memberId' | 'log'>,
  wanted: string,
  label: LocalText,
): Promise<boolean> {
  try {
    return named(await listTemplates(ports), wanted).length > 0;
  } catch (error) {
    throw toGeneratorFailure(error, label, ports.log);
  }
}

type Template = z.output<typeof templateShape>;

function named(templates: readonly Template[], wanted: string): Template[] {
  const key = toVisible(wanted).toLowerCase();
  return /^\d+$/.test(key)
    ? templates.filter((one) => one.id === Number(key))
    : templates.filter(({ name }) => toVisible(name).toLowerCase() === key);
}

/** Templates are bound to types of items; the funnel in `2_category_1` is not enforced by the portal (F7a). */
function isFor(typeId: number, bound: z.output<typeof templateShape>['entityTypeId']): boolean {
  if (bound === undefined) return true;
  return Object.values(bound).some((one) => one === String(typeId) || one.startsWith(`${typeId}_`));
}

/**
 * The docx that the portal makes of the item by a template. The key in its title finds it again after a lost answer: each
 * `add` makes a further document and takes the next number (bitrix24.md F7a, I69).
 * @throws RobotFailure
 */
export async function generateFile(
  ports: GeneratorPorts,
  { template, key, label, isNew, known, keep }: GenerateRequest,
): Promise<OpenFile> {
  try {
    const made = isNew ? null : await findGenerated(ports, key, known);
    const document = made ?? (await add(ports, template, key));
    if (document.id !== known) await keep(document.id);
    // An address is good for one token's life, and an answer may lack it.
    const address = document.downloadUrlMachine ?? (await read(ports, document.id))?.downloadUrlMachine;
    if (address === undefined)
      throw new PortalError({ code: 'NO_FILE_YET', status: null, kind: 'server', retry: true });
    const file = await openPortalFile(
      address,
      {
        text: {
          ru: `Файл, который портал сделал по шаблону «${template.name}»,`,
          en: `The file that the portal made by the template «${template.name}»`,
        },
        mend: { ru: 'Запустите робота снова.', en: 'Run the robot again.' },
        name: template.name,
      },
      ports,
    );
    // The generator makes docx, whatever its answer is called (F7a).
    return { ...file, name: `${template.name}.docx` };
  } catch (error) {
    throw toGeneratorFailure(error, label, ports.log);
  }
}

/** One that an earlier attempt made for the same key. */
async function findGenerated(
  ports: GeneratorPorts,
  key: string,
  known: number | null,
): Promise<Generated | null> {
  const kept = known === null ? null : await read(ports, known);
  if (kept !== null) return kept;
  const { typeId, id: itemId } = ports.ref;
  const shape = z.looseObject({ documents: listOf(documentShape) });
  const found = await pages(async (start) => {
    const filter = { entityTypeId: typeId, entityId: itemId, title: key };
    const answer = await ask(ports, 'document.list', { filter, order: { id: 'ASC' }, start });
    return readAs(shape, answer).documents;
  });
  const own = found.find(({ title }) => title === key);
  // Addresses are taken from `get` alone, which the page describes.
  return own === undefined ? null : read(ports, own.id);
}

async function read(ports: GeneratorPorts, documentId: number): Promise<Generated | null> {
  try {
    const answer = await ask(ports, 'document.get', { id: documentId });
    const { document } = readAs(z.looseObject({ document: documentShape }), answer);
    return document.id === documentId ? document : null;
  } catch (error) {
    if (error instanceof PortalError && error.kind === 'gone') return null;
    throw error;
  }
}

async function add(ports: GeneratorPorts, template: CrmTemplate, key: string): Promise<Generated> {
  const { typeId, id: itemId } = ports.ref;
  const answer = await ask(ports, 'document.add', {
    templateId: template.id,
    entityTypeId: typeId,
    entityId: itemId,
    values: { DocumentTitle: key },
    stampsEnabled: 0,
  });
  return readAs(z.looseObject({ document: documentShape }), answer).document;
}

const ask = ({ rest, memberId, access }: GeneratorPorts, method: string, params: Record<string, unknown>) =>
  rest.call(memberId, `${GENERATOR}.${method}`, params, { access });

/** All rows of a list: pages of fifty, the next one asked for while one is full. */
async function pages<Row>(page: (start: number) => Promise<Row[]>): Promise<Row[]> {
  const all: Row[] = [];
  for (let number = 0; number < MOST_PAGES; number += 1) {
    const rows = await page(number * PAGE);
    all.push(...rows);
    if (rows.length < PAGE) return all;
  }
  return all;
}

function readAs<Shape extends z.ZodType>(shape: Shape, answer: unknown): z.output<Shape> {
  const parsed = shape.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new PortalError({ code: 'UNREADABLE', status: null, kind: 'server', retry: true });
}

function notFound(wanted: string, label: LocalText): RobotFailure {
  return new RobotFailure('reference_not_found', {
    ru: `«${label.ru}»: на портале нет действующего шаблона «${wanted}» для таких элементов. Проверьте имя или ИД в разделе шаблонов документов CRM.`,
    en: `«${label.en}»: the portal has no active template «${wanted}» for such items. Check the name or id among the CRM document templates.`,
  });
}
