import type { Fields } from './types.ts';
import { RestError, text } from './wire.ts';
import { nextId, type World } from './world.ts';

const CRM = 'Bitrix\\Crm\\Integration\\BizProc\\Document\\';
const FIXED: Record<number, { entity: string; type: string; uf: string; timeline: string; short: string }> = {
  1: { entity: 'CCrmDocumentLead', type: 'LEAD', uf: 'CRM_LEAD', timeline: 'lead', short: 'L' },
  2: { entity: 'CCrmDocumentDeal', type: 'DEAL', uf: 'CRM_DEAL', timeline: 'deal', short: 'D' },
  3: { entity: 'CCrmDocumentContact', type: 'CONTACT', uf: 'CRM_CONTACT', timeline: 'contact', short: 'C' },
  4: { entity: 'CCrmDocumentCompany', type: 'COMPANY', uf: 'CRM_COMPANY', timeline: 'company', short: 'CO' },
  7: { entity: `${CRM}Quote`, type: 'QUOTE', uf: 'CRM_QUOTE', timeline: 'quote', short: 'Q' },
  31: {
    entity: `${CRM}SmartInvoice`,
    type: 'SMART_INVOICE',
    uf: 'CRM_SMART_INVOICE',
    timeline: 'smart_invoice',
    short: 'SI',
  },
};

export const isDynamic = (entityTypeId: number): boolean =>
  (entityTypeId >= 128 && entityTypeId <= 191) || (entityTypeId >= 1030 && entityTypeId % 2 === 0);

export function addType(world: World, entityTypeId: number, title = `Процесс ${entityTypeId}`) {
  const known = world.types.get(entityTypeId);
  if (known !== undefined) return known;
  const type = { id: nextId(world, 'type', 44), entityTypeId, title };
  world.types.set(entityTypeId, type);
  return type;
}

export const isKnownType = (world: World, entityTypeId: number): boolean =>
  entityTypeId in FIXED || world.types.has(entityTypeId);

export function demandType(world: World, value: unknown): number {
  if (value === undefined)
    throw new RestError(400, '100', 'Could not find value for parameter {entityTypeId}');
  const id = Number(text(value));
  if (!isKnownType(world, id)) throw new RestError(400, 'NOT_FOUND', 'Смарт-процесс не найден');
  return id;
}

/** `CRM_44` of a smart process holds the type's own id, not entityTypeId. */
export const ufEntity = (world: World, entityTypeId: number): string =>
  FIXED[entityTypeId]?.uf ?? `CRM_${world.types.get(entityTypeId)?.id ?? 0}`;

export function documentType(entityTypeId: number): [string, string, string] {
  const fixed = FIXED[entityTypeId];
  return fixed === undefined
    ? ['crm', `${CRM}Dynamic`, `DYNAMIC_${entityTypeId}`]
    : ['crm', fixed.entity, fixed.type];
}

export function timelineType(entityType: string): number | undefined {
  const name = entityType.toLowerCase();
  const dynamic = /^dynamic_(\d+)$/.exec(name)?.[1];
  if (dynamic !== undefined) return Number(dynamic);
  return Object.keys(FIXED)
    .map(Number)
    .find((id) => FIXED[id]?.timeline === name);
}

/** `UF_CRM_TASK` form: `D_123`, for smart processes `Tb1_5`. */
export const shortId = (entityTypeId: number, id: number): string =>
  `${FIXED[entityTypeId]?.short ?? `T${entityTypeId.toString(16)}`}_${id}`;

const DEAL_STAGES = [
  { id: 'NEW', name: 'Новая' },
  { id: 'PREPARATION', name: 'Подготовка документов' },
  { id: 'PREPAYMENT_INVOICE', name: 'Счёт на предоплату' },
  { id: 'EXECUTING', name: 'В работе' },
  { id: 'FINAL_INVOICE', name: 'Финальный счёт' },
  { id: 'WON', name: 'Сделка успешна' },
  { id: 'LOSE', name: 'Сделка провалена' },
];

/** ENTITY_ID of crm.status.list for an item's stages. */
export function stageEntity(entityTypeId: number, categoryId: number): string {
  if (entityTypeId === 1) return 'STATUS';
  if (entityTypeId === 2) return categoryId === 0 ? 'DEAL_STAGE' : `DEAL_STAGE_${categoryId}`;
  if (entityTypeId === 7) return 'QUOTE_STATUS';
  return `${documentType(entityTypeId)[2]}_STAGE_${categoryId}`;
}

const categoryOf = (stage: string): number =>
  Number(/^C(\d+):/.exec(stage)?.[1] ?? /^D?T?[0-9a-f]*_(\d+):/i.exec(stage)?.[1] ?? 0);

export function stagesOf(world: World, entityTypeId: number, categoryId = 0): { id: string; name: string }[] {
  const key = stageEntity(entityTypeId, categoryId);
  let stages = world.stages.get(key);
  if (stages === undefined) {
    const prefix =
      entityTypeId === 2
        ? categoryId === 0
          ? ''
          : `C${categoryId}:`
        : isDynamic(entityTypeId) || entityTypeId === 31
          ? `DT${entityTypeId}_${categoryId}:`
          : '';
    stages = DEAL_STAGES.map(({ id, name }) => ({ id: `${prefix}${id}`, name }));
    world.stages.set(key, stages);
  }
  return stages;
}

/** A stage nobody made yet is made at the end of its funnel. */
export function ensureStage(world: World, entityTypeId: number, stage: string, name = stage): void {
  const stages = stagesOf(world, entityTypeId, categoryOf(stage));
  const known = stages.find((one) => one.id === stage);
  if (known === undefined) stages.push({ id: stage, name });
  else if (name !== stage) known.name = name;
}

export const stageOrder = (world: World, entityTypeId: number, stage: string): number =>
  stagesOf(world, entityTypeId, categoryOf(stage)).findIndex((one) => one.id === stage);

export function itemsOf(world: World, entityTypeId: number): Map<number, Fields> {
  let items = world.items.get(entityTypeId);
  if (items === undefined) {
    items = new Map();
    world.items.set(entityTypeId, items);
  }
  return items;
}
