import type { Log } from '../../../robot/ports/log.ts';
import type { Installations } from '../../auth/installation.ts';
import { fieldsCommand } from '../../crm/item-fields.ts';
import { type BatchAnswer, PAGE } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import { isRecord, toLanguage } from '../../rest/values.ts';
import { isPassing, toError, type Writer, withAnswers } from '../../rest/writes.ts';
import {
  addFieldCommand,
  addOtherwise,
  DEAL_ENTITY,
  DEAL_LIST,
  FIELD_PARTS,
  type FieldFacts,
  type FieldPart,
  fieldName,
  fixedEntity,
  readFacts,
  readItems,
} from './field-facts.ts';

interface FieldsResult {
  facts: FieldFacts;
  added: string[];
  /** Fields that could not be made. */
  failed: { code: string; answer: BatchAnswer & { ok: false } }[];
}

/** Code of the failure when the portal does not list a smart process that an item is of. */
const NO_TYPE = 'TYPE_NOT_LISTED';
const MAX_TYPES = 500;

/** Entity of the fields of a CRM type (bitrix24.md F6). @throws PortalError */
export async function findEntity(writer: Writer, memberId: string, typeId: number): Promise<string> {
  const fixed = fixedEntity(typeId);
  if (fixed !== null) return fixed;
  for (let start = 0; start < MAX_TYPES; start += PAGE) {
    const command = { method: 'crm.type.list', params: { filter: { entityTypeId: typeId }, start } };
    const result = need(await writer.sendAlone(memberId, command), command.method);
    const rows = isRecord(result) && Array.isArray(result['types']) ? result['types'] : [];
    const type = rows.find((row) => isRecord(row) && Number(row['entityTypeId']) === typeId);
    const id = isRecord(type) ? Number(type['id']) : 0;
    if (Number.isSafeInteger(id) && id > 0) return `CRM_${id}`;
    if (rows.length < PAGE) break;
  }
  throw new PortalError({ code: NO_TYPE, status: null, kind: 'refused', retry: false });
}

/** Our fields of a type as the portal shows them. @throws PortalError */
export async function lookUpFields(
  writer: Writer,
  memberId: string,
  typeId: number,
  entityId: string,
): Promise<FieldFacts> {
  const command = fieldsCommand(typeId);
  const commands = entityId === DEAL_ENTITY ? [command, DEAL_LIST] : [command];
  // `send` answers each command.
  const [fields, list] = (await writer.send(memberId, commands)) as [BatchAnswer, BatchAnswer?];
  need(fields, command.method);
  const facts = readFacts(entityId, fields, list);
  if (facts !== null) return facts;
  throw new PortalError({ code: 'UNREADABLE', status: null, kind: 'server', retry: true });
}

/**
 * Makes the fields that are missing and remembers ids of the status list (interface.md §5, bitrix24.md F6). What was
 * found before is given, so that only missing ones are added. @throws PortalError
 */
export async function makeFields(options: {
  writer: Writer;
  installations: Installations;
  memberId: string;
  typeId: number;
  found: FieldFacts;
  /** Refusals were logged before. */
  quiet?: boolean;
  log: Log;
}): Promise<FieldsResult> {
  const { writer, memberId, typeId, found } = options;
  const { entityId } = found;
  const language = toLanguage(options.installations.get(memberId)?.language ?? 'en');
  const missing = FIELD_PARTS.filter((part) => !found.parts.includes(part));
  const { answers, whole } = await addFields({ writer, memberId, found, missing, language });
  const made = missing.filter((part) => answers.get(part)?.ok);
  const status = answers.get('STATUS');
  let facts: FieldFacts = {
    entityId,
    ...(whole ? { whole } : {}),
    parts: [...found.parts, ...made],
    items: { ...found.items, ...(status?.ok ? readItems(status.result) : {}) },
  };
  // Another process may have been first, and not every portal shows the items in the answer: what is there counts.
  if (
    made.length < missing.length ||
    (facts.parts.includes('STATUS') && Object.keys(facts.items).length === 0)
  ) {
    const seen = await lookUpFields(writer, memberId, typeId, entityId);
    facts = {
      ...facts,
      ...(seen.whole ? { whole: seen.whole } : {}),
      parts: FIELD_PARTS.filter((part) => facts.parts.includes(part) || seen.parts.includes(part)),
      items: { ...facts.items, ...seen.items },
    };
  }
  const failed = [...answers].flatMap(([part, answer]) =>
    answer.ok || facts.parts.includes(part) ? [] : [{ code: fieldName(entityId, part, whole), answer }],
  );
  await rememberFields(options.installations, memberId, typeId, facts);
  const added = made.map((part) => fieldName(entityId, part, whole));
  if (added.length > 0) options.log.info('fields.added', { memberId, fields: added });
  const passing = failed.find(({ answer }) => isPassing(answer));
  if (passing !== undefined) need(passing.answer, 'userfieldconfig.add');
  if (failed.length > 0 && !options.quiet) {
    options.log.warn('fields.not_added', {
      memberId,
      fields: failed.map(({ code }) => code),
      code: failed[0]?.answer.error,
    });
  }
  return { facts, added, failed };
}

/** Adds fields in one hit; those refused are made otherwise where that can be, in a second one. */
async function addFields(options: {
  writer: Writer;
  memberId: string;
  found: FieldFacts;
  missing: readonly FieldPart[];
  language: 'ru' | 'en';
}): Promise<{ answers: Map<FieldPart, BatchAnswer>; whole: true | undefined }> {
  const { writer, memberId, found, missing, language } = options;
  const { entityId, whole } = found;
  const added = await writer.send(
    memberId,
    missing.map((part) => addFieldCommand(entityId, part, language, whole)),
  );
  const answers = new Map(withAnswers(missing, added));
  const again = [...answers].flatMap(([part, answer]) => {
    if (answer.ok || answer.kind !== 'refused' || isPassing(answer)) return [];
    const other = addOtherwise(entityId, part, language);
    // Fields of one type are named in one way.
    return other === null || (other.whole && found.parts.length > 0) ? [] : [{ part, ...other }];
  });
  const second = await writer.send(
    memberId,
    again.map(({ command }) => command),
  );
  let named = whole;
  for (const [{ part, whole: other }, answer] of withAnswers(again, second)) {
    answers.set(part, answer);
    if (answer.ok && other) named = other;
  }
  return { answers, whole: named };
}

/** Keeps the facts with the installation, so that they are not asked for again. */
export async function rememberFields(
  installations: Installations,
  memberId: string,
  typeId: number,
  facts: FieldFacts,
): Promise<void> {
  await installations.update(memberId, (known) => {
    if (known === undefined) return undefined;
    if (JSON.stringify(known.fields?.[typeId]) === JSON.stringify(facts)) return known;
    return { ...known, fields: { ...known.fields, [typeId]: facts } };
  });
}

function need(answer: BatchAnswer, method: string): unknown {
  if (answer.ok) return answer.result;
  throw toError(answer, { retry: isPassing(answer), method });
}
