import type { DealFields, WriteResult } from '../../../documents/ports/deal.ts';
import type { LocksPort } from '../../../robot/ports/locks.ts';
import type { Log } from '../../../robot/ports/log.ts';
import type { ItemRef } from '../../../robot/ports/portal.ts';
import type { Installations } from '../../auth/installation.ts';
import { getParams } from '../../crm/commands.ts';
import type { BatchCommand } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import { isRecord } from '../../rest/values.ts';
import { toWriteResult, type Writer, withAnswers } from '../../rest/writes.ts';
import { type FieldFacts, type FieldPart, fieldName, plain } from './field-facts.ts';
import { findEntity, lookUpFields, makeFields } from './field-setup.ts';

interface FieldWrite {
  item: ItemRef;
  fields: DealFields;
}

/** A portal that refused to make fields is asked again after an hour: rights are given by people. */
const REFUSED_FOR_MS = 3_600_000;
/** A portal whose answers show no fields although it has them is not asked for its fields after each write. */
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

  /** Facts of a type, its missing fields made; null while the portal does not let us. `again`: what is known is wrong. */
  async function setUp(memberId: string, typeId: number, again: boolean): Promise<FieldFacts | null> {
    const key = `${memberId}:${typeId}`;
    const known = installations.get(memberId)?.fields?.[typeId];
    if (!again && known !== undefined && known.parts.length > 0) return known;
    if (isOn(refusedUntil, key)) return null;
    // Of two processes at a first use one makes the fields; the other finds them.
    return locks.hold(`fields:${key}`, async () => {
      const entityId = known?.entityId ?? (await findEntity(writer, memberId, typeId));
      const found = await lookUpFields(writer, memberId, typeId, entityId);
      // Known without any field: that none could be made was said before, by the installation or an earlier process.
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
    const results = new Map<FieldWrite, WriteResult>();

    /** Those whose type has our fields, with what is known of them; the others end here. */
    async function prepare(wanted: readonly FieldWrite[], again: boolean): Promise<Prepared[]> {
      const ready: Prepared[] = [];
      for (const [typeId, ofType] of Map.groupBy(wanted, ({ item }) => item.typeId)) {
        const facts = await tryToSetUp(memberId, typeId, again);
        for (const write of ofType) {
          if ('ok' in facts) results.set(write, facts);
          else ready.push({ write, facts });
        }
      }
      return ready;
    }

    let open = await prepare(writes, false);
    // A field or list item that somebody deleted shows only in what an update answers; then everything once more.
    for (const last of [false, true]) {
      const dropped: FieldWrite[] = [];
      for (const [one, answer] of withAnswers(open, await writer.send(memberId, open.map(toCommand)))) {
        const { write } = one;
        const key = `${memberId}:${write.item.typeId}`;
        results.set(write, toWriteResult(answer));
        if (!answer.ok || isOn(blindUntil, key) || isStored(answer.result, one)) continue;
        if (last) results.set(write, { ok: false, why: 'refused' });
        else dropped.push(write);
      }
      open = await prepare(dropped, true);
    }
    // Every write has its result by now.
    return writes.map((write) => results.get(write) as WriteResult);
  };
}

interface Prepared {
  write: FieldWrite;
  facts: FieldFacts;
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
      // A status without a list item stays as it was: 0 would be stored for it (F6).
      return value === undefined ? [] : [[fieldName(facts.entityId, part, facts.whole), value ?? '']];
    }),
  );
}

function toCommand({ write: { item, fields }, facts }: Prepared): BatchCommand {
  const values = toValues(fields, facts);
  return { method: 'crm.item.update', params: { ...getParams(item.typeId, item.id), fields: values } };
}

/** Unknown names and deleted list items are dropped without a word (I48, F6): the answer's item shows it. */
function isStored(result: unknown, { write: { fields }, facts }: Prepared): boolean {
  const shown = isRecord(result) && isRecord(result['item']) ? result['item'] : {};
  const values = new Map(Object.entries(shown).map(([name, value]) => [plain(name), value]));
  for (const name of Object.keys(toValues(fields, facts))) if (!values.has(plain(name))) return false;
  if (fields.status === null || !facts.parts.includes('STATUS')) return true;
  const stored = values.get(plain(fieldName(facts.entityId, 'STATUS', facts.whole)));
  return facts.items[fields.status] !== undefined && Number(stored) === facts.items[fields.status];
}
