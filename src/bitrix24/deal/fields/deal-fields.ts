import type { DealFields, WriteResult } from '../../../documents/ports/deal.ts';
import type { LocksPort } from '../../../robot/ports/locks.ts';
import type { Log } from '../../../robot/ports/log.ts';
import type { ItemRef } from '../../../robot/ports/portal.ts';
import type { Installations } from '../../auth/installation.ts';
import { getParams } from '../../crm/commands.ts';
import type { BatchAnswer, BatchCommand } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import { isRecord } from '../../rest/values.ts';
import { toWriteResult, type Writer } from '../../rest/writes.ts';
import { type FieldFacts, type FieldPart, fieldName, plain } from './field-facts.ts';
import { findEntity, lookUpFields, makeFields } from './field-setup.ts';

export interface FieldWrite {
  item: ItemRef;
  fields: DealFields;
}

/** A portal that refused to make fields is asked again after an hour: rights are given by people. */
const REFUSED_FOR_MS = 3_600_000;
/** Answers that show no fields although the portal has them: it is not asked for its fields after each write. */
const BLIND_FOR_MS = 600_000;

const REFUSED: WriteResult = { ok: false, why: 'refused', said: true };

/** Writes our fields of CRM items (interface.md §5; bitrix24.md F1, F6, I48, I50). */
export function createFieldWriter(options: {
  writer: Writer;
  installations: Installations;
  locks: LocksPort;
  log: Log;
}) {
  const { writer, installations, locks, log } = options;
  const refusedUntil = new Map<string, number>();
  const blindUntil = new Map<string, number>();
  const isOn = (until: Map<string, number>, key: string) => (until.get(key) ?? 0) > performance.now();

  /** Facts of a type, its fields made when they are missing; null while the portal does not let us. */
  async function setUp(memberId: string, typeId: number, again: boolean): Promise<FieldFacts | null> {
    const key = `${memberId}:${typeId}`;
    const known = installations.get(memberId)?.fields?.[typeId];
    if (!again && known !== undefined && known.parts.length > 0) return known;
    if (isOn(refusedUntil, key)) return null;
    // Of two processes at a first use one makes the fields; the other finds them.
    return locks.hold(`fields:${key}`, async () => {
      const entityId = known?.entityId ?? (await findEntity(writer, memberId, typeId));
      const found = await lookUpFields(writer, memberId, typeId, entityId);
      // One that could not make any before was told of then: by the installation, or by an earlier process.
      const quiet = known?.parts.length === 0;
      const { facts, added, failed } = await makeFields({ ...options, memberId, typeId, found, quiet });
      if (failed.length > 0) refusedUntil.set(key, performance.now() + REFUSED_FOR_MS);
      if (again && added.length === 0) blindUntil.set(key, performance.now() + BLIND_FOR_MS);
      return facts.parts.length === 0 ? null : facts;
    });
  }

  async function tryToSetUp(
    memberId: string,
    typeId: number,
    again = false,
  ): Promise<FieldFacts | WriteResult> {
    try {
      return (await setUp(memberId, typeId, again)) ?? REFUSED;
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      log.warn('fields.unknown', { memberId, typeId, code: error.code });
      if (error.retry) return { ok: false, why: 'retry' };
      refusedUntil.set(`${memberId}:${typeId}`, performance.now() + REFUSED_FOR_MS);
      return REFUSED;
    }
  }

  return async function writeFields(memberId: string, writes: readonly FieldWrite[]): Promise<WriteResult[]> {
    const results = new Array<WriteResult>(writes.length);
    const facts = new Map<number, FieldFacts>();
    for (const typeId of new Set(writes.map(({ item }) => item.typeId))) {
      const made = await tryToSetUp(memberId, typeId);
      if (!('ok' in made)) facts.set(typeId, made);
      else fill(results, writes, typeId, made);
    }
    let open = writes.map((_, index) => index).filter((index) => results[index] === undefined);
    // A field or list item that somebody deleted shows only in what an update answers; then everything once more.
    for (const last of [false, true]) {
      const answers = await writer.send(
        memberId,
        open.map((index) => toCommand(writes[index] as FieldWrite, facts)),
      );
      const dropped: number[] = [];
      for (const [at, index] of open.entries()) {
        const write = writes[index] as FieldWrite;
        const answer = answers[at] as BatchAnswer;
        const key = `${memberId}:${write.item.typeId}`;
        results[index] = toWriteResult(answer);
        if (!answer.ok || isOn(blindUntil, key) || isStored(answer.result, write, facts)) continue;
        if (last) results[index] = isOn(blindUntil, key) ? { ok: true } : { ok: false, why: 'refused' };
        else dropped.push(index);
      }
      if (dropped.length === 0) break;
      for (const typeId of new Set(dropped.map((index) => (writes[index] as FieldWrite).item.typeId))) {
        const made = await tryToSetUp(memberId, typeId, true);
        if (!('ok' in made)) facts.set(typeId, made);
        else {
          facts.delete(typeId);
          for (const index of dropped)
            if ((writes[index] as FieldWrite).item.typeId === typeId) results[index] = made;
        }
      }
      open = dropped.filter((index) => facts.has((writes[index] as FieldWrite).item.typeId));
    }
    return results;
  };
}

function fill(
  results: WriteResult[],
  writes: readonly FieldWrite[],
  typeId: number,
  result: WriteResult,
): void {
  for (const [index, { item }] of writes.entries()) if (item.typeId === typeId) results[index] = result;
}

/** Values by field name; an empty text empties a field. The stage is not ours to write (I50). */
export function toValues(fields: DealFields, facts: FieldFacts): Record<string, string | number> {
  const all: Record<FieldPart, string | number | null | undefined> = {
    STATUS: fields.status === null ? null : facts.items[fields.status],
    ID: fields.documentId,
    URL: fields.url,
    NUMBER: fields.number,
    SINCE: fields.since,
  };
  return Object.fromEntries(
    facts.parts.flatMap((part) => {
      const value = all[part];
      // A status whose list item nobody has stays as it was: 0 would be stored for it (F6).
      return value === undefined ? [] : [[fieldName(facts.entityId, part, facts.whole), value ?? '']];
    }),
  );
}

function toCommand({ item, fields }: FieldWrite, facts: ReadonlyMap<number, FieldFacts>): BatchCommand {
  const values = toValues(fields, facts.get(item.typeId) as FieldFacts);
  return { method: 'crm.item.update', params: { ...getParams(item.typeId, item.id), fields: values } };
}

/** Unknown names and deleted list items are dropped without a word (I48, F6): the answer's item shows it. */
function isStored(
  result: unknown,
  { item, fields }: FieldWrite,
  facts: ReadonlyMap<number, FieldFacts>,
): boolean {
  const known = facts.get(item.typeId) as FieldFacts;
  const shown = isRecord(result) && isRecord(result['item']) ? result['item'] : {};
  const values = new Map(Object.entries(shown).map(([name, value]) => [plain(name), value]));
  for (const name of Object.keys(toValues(fields, known))) if (!values.has(plain(name))) return false;
  if (fields.status === null || !known.parts.includes('STATUS')) return true;
  const stored = values.get(plain(fieldName(known.entityId, 'STATUS', known.whole)));
  return known.items[fields.status] !== undefined && Number(stored) === known.items[fields.status];
}
