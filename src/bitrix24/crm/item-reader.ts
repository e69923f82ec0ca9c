import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef, ItemSnapshot, PortalPort, PortalUser, ReadRequest } from '../../robot/ports/portal.ts';
import type { Installations } from '../auth/installation.ts';
import { PortalError, toRobotFailure } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import type { CallProof } from '../robots/call-proof.ts';
import {
  COMPANY,
  extraUsers,
  getParams,
  hasLink,
  item,
  link,
  plan,
  requisite,
  requisites,
  user,
} from './commands.ts';
import { findTemplate, generateFile } from './files/document-generator.ts';
import { findFileField, saveItemFile } from './files/file-field.ts';
import { openItemFile } from './files/item-file.ts';
import type { FileFetch } from './files/portal-file.ts';
import { fieldsCommand, fieldsShape, type ItemFieldsReader } from './item-fields.ts';
import { personName, RUSSIA, readCountry, readParty } from './party.ts';
import { toUser } from './portal-users.ts';
import { type CrmRead, createCrmRead } from './reading/crm-read.ts';
import type { ManyItems } from './reading/read-many.ts';
import { readTogether } from './reading/read-together.ts';
import * as shapes from './shapes.ts';

/** `access` is the token that came with the call, where one came; `many` what was read of the item together with others. */
export type ItemReader = (
  memberId: string,
  ref: ItemRef,
  log: Log,
  proof: CallProof,
  given?: { access?: string | undefined; many?: ManyItems | null | undefined },
) => PortalPort;

/** What robots read of the portal: one batch hit a run, or none where it was read ahead (bitrix24.md F1, F1a, F4, F5). */
export function createItemReader(options: {
  rest: PortalRest;
  installations: Installations;
  fetchFile: FileFetch;
  itemFields: ItemFieldsReader;
}): ItemReader {
  const { rest, installations, itemFields } = options;
  return (memberId, ref, log, proof, { access, many = null } = {}) => {
    const origin = () => installations.get(memberId)?.origin ?? '';
    /** What the decision tables read of the item, for the robot that runs right after them. */
    let shared: { snapshot: ItemSnapshot; at: number } | null = null;
    const files = () => ({
      origin: origin(),
      fetchFile: options.fetchFile,
      onCut: (error: PortalError) => toRobotFailure(error, log),
    });
    return {
      async read(request = {}) {
        const isOfItem = request.companyId === undefined && request.contactId === undefined;
        const fresh = shared !== null && performance.now() - shared.at < SHARED_MS ? shared.snapshot : null;
        const reading = { rest, memberId, ref, request, proof, log, many, origin: origin(), itemFields };
        try {
          if (fresh !== null && isOfItem) return await withUsers(fresh, reading);
          const snapshot = await readItem(reading);
          if (request.share) shared = { snapshot, at: performance.now() };
          return snapshot;
        } catch (error) {
          throw toRobotFailure(error, log);
        }
      },
      async checkFileField(fieldCode) {
        try {
          await findFileField({ rest, memberId, ref }, fieldCode);
        } catch (error) {
          throw toRobotFailure(error, log);
        }
      },
      async saveFile(fieldCode, file) {
        try {
          await saveItemFile({ rest, memberId, ref }, fieldCode, file);
        } catch (error) {
          throw toRobotFailure(error, log);
        }
      },
      findTemplate: (wanted, label) => findTemplate({ rest, memberId, ref, log }, wanted, label),
      generateFile: (request) => generateFile({ ...files(), rest, memberId, ref, access, log }, request),
      async openFile(fieldCode) {
        try {
          const answer = await rest.call(memberId, 'crm.item.get', getParams(ref.typeId, ref.id));
          const read = shapes.itemShape.safeParse(answer);
          if (!read.success)
            throw new PortalError({ code: 'UNREADABLE', kind: 'server', status: null, retry: true });
          return await openItemFile(read.data.item, fieldCode, files());
        } catch (error) {
          throw toRobotFailure(error, log);
        }
      },
    };
  };
}

/** A snapshot that is older is read again. */
const SHARED_MS = 60_000;

interface Reading {
  rest: PortalRest;
  memberId: string;
  ref: ItemRef;
  request: ReadRequest;
  proof: CallProof;
  log: Log;
  origin: string;
  itemFields: ItemFieldsReader;
  many: ManyItems | null;
}

/** A reader over what was read ahead of this item, as long as it is fresh, else over a hit of its own. */
async function openRead(reading: Reading, asksFields: boolean): Promise<CrmRead> {
  const { rest, memberId, ref, request, proof, log, many } = reading;
  const isNamed = request.companyId !== undefined || request.contactId !== undefined;
  const isFresh = many !== null && performance.now() - many.readAt < SHARED_MS;
  if (many === null || !isFresh || isNamed || many.known(item(ref.typeId, ref.id)) === undefined)
    return readTogether({ ...reading, commands: plan(ref, request, { asksFields }) });
  await proof.demand();
  return createCrmRead({ rest, memberId, log, known: (_key, command) => many.known(command) });
}

async function readItem(reading: Reading): Promise<ItemSnapshot> {
  const { ref, request, origin, memberId, itemFields } = reading;
  const known = request.itemFields ? itemFields.known(memberId, ref.typeId) : null;
  const asksFields = request.itemFields === true && known === null;
  const read = await openRead(reading, asksFields);
  const { item: fields } = await read.get(
    'item',
    item(ref.typeId, ref.id),
    shapes.itemShape,
    (r) => r.item.id === ref.id,
  );
  const facts = shapes.itemFactsShape.parse(fields);
  const kinds = asksFields
    ? await itemFields.load(memberId, ref.typeId, () =>
        read.get('fields', fieldsCommand(ref.typeId), fieldsShape),
      )
    : known;
  const linked = hasLink(ref) ? await read.getIfThere('link', link(ref), shapes.linkShape) : null;
  return {
    ref,
    title: facts.title ?? personName(facts) ?? ref.code,
    url: `${origin}${cardPath(ref)}`,
    amount: facts.opportunity,
    currency: facts.currencyId,
    responsibleUserId: facts.assignedById,
    party: await readParty(read, ref, request, facts, linked),
    ownCompany: await readOwnCompany(
      read,
      facts.mycompanyId ?? facts.myCompanyId,
      linked?.MC_REQUISITE_ID ?? null,
    ),
    users: await readUsers(read, facts.assignedById, extraUsers(request)),
    fields,
    ...(kinds && { itemFields: kinds }),
  };
}

/** The snapshot with the people who are asked for besides those it has. */
async function withUsers(snapshot: ItemSnapshot, reading: Reading): Promise<ItemSnapshot> {
  const missing = extraUsers(reading.request).filter((id) => !snapshot.users.has(id));
  if (missing.length === 0) return snapshot;
  const commands = Object.fromEntries(missing.map((id) => [`user_${id}`, user(id)]));
  const read = await readTogether({ ...reading, commands });
  return { ...snapshot, users: new Map([...snapshot.users, ...(await readUsers(read, null, missing))]) };
}

/** Card of the item on the portal. */
export function cardPath(ref: ItemRef): string {
  const names: Record<number, string> = { 1: 'lead', 2: 'deal', 3: 'contact', 4: 'company' };
  const name = names[ref.typeId];
  return name === undefined
    ? `/crm/type/${ref.typeId}/details/${ref.id}/`
    : `/crm/${name}/details/${ref.id}/`;
}

async function readOwnCompany(
  read: CrmRead,
  companyId: number | null,
  linkedId: number | null,
): Promise<ItemSnapshot['ownCompany']> {
  const linked =
    linkedId === null
      ? null
      : await read.tryGet('own_linked', requisite(linkedId), shapes.requisiteShape, (r) => r.ID === linkedId);
  const id = companyId ?? (linked?.ENTITY_TYPE_ID === COMPANY ? linked.ENTITY_ID : null);
  if (id === null) return null;
  const belongs = (rows: shapes.RequisiteRow[]) => rows.every((row) => row.ENTITY_ID === id);
  const row =
    linked !== null && linked.ENTITY_ID === id
      ? linked
      : (await read.tryGet('own_requisites', requisites(COMPANY, id), shapes.requisitesShape, belongs))?.[0];
  const company = await read.tryGet('own', item(COMPANY, id), shapes.itemShape, (r) => r.item.id === id);
  const title = company === null ? null : shapes.itemFactsShape.parse(company.item).title;
  const name = title ?? row?.RQ_COMPANY_NAME ?? null;
  if (row === undefined) return name === null ? null : { name, inn: null, kpp: null, foreignId: null };
  const foreign = shapes.foreignIds(row).find((number) => number !== row.RQ_INN) ?? null;
  const isRussian = foreign !== null && (await readCountry(read, row.PRESET_ID)) === RUSSIA;
  return { name, inn: row.RQ_INN, kpp: row.RQ_KPP, foreignId: isRussian ? null : foreign };
}

async function readUsers(
  read: CrmRead,
  responsible: number | null,
  extra: number[],
): Promise<ReadonlyMap<number, PortalUser>> {
  const users = new Map<number, PortalUser>();
  for (const id of new Set([...(responsible === null ? [] : [responsible]), ...extra])) {
    const named = extra.includes(id);
    const about = (found: { ID: number }[]) => found.every((row) => row.ID === id);
    // The responsible has a substitute in Directum; of a named person only the portal's refusal tells what is wrong.
    const ask = named ? read.getIfThere : read.getInScope;
    const rows = await ask(named ? `user_${id}` : 'responsible', user(id), shapes.usersShape, about);
    const row = rows?.[0];
    if (row === undefined) continue;
    users.set(id, toUser(row));
  }
  return users;
}
