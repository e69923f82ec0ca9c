import { z } from 'zod';
import type { ActivityCard, WriteResult } from '../../documents/ports/deal.ts';
import type { HeldLock, LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { toWriteResult, type Writer } from '../rest/writes.ts';
import { ACTIVITY_ORIGINATOR, toActivityFields, toLayout } from './activity-card.ts';

export interface ActivityWrite {
  item: ItemRef;
  activityId: number | null;
  card: ActivityCard;
}

const NO_METHOD = 'ERROR_METHOD_NOT_FOUND';
const WRONG_APPLICATION = 'ERROR_WRONG_APPLICATION';

const madeShape = z.object({ activity: z.object({ id: z.coerce.number().int().positive() }) });
const rowsShape = z
  .array(z.unknown())
  .transform((rows) =>
    rows.flatMap((row) => z.object({ ID: z.coerce.number().int().positive() }).safeParse(row).data?.ID ?? []),
  );

/** One configurable activity a document, made once and updated in place (interface.md §5, bitrix24.md F8). */
export function createActivityWriter({ writer, locks, log }: { writer: Writer; locks: LocksPort; log: Log }) {
  const refusedOn = new Set<string>();

  /** Updates `ids[n]` of write `n`; writes whose activity is gone or another application's are left open. */
  async function update(
    memberId: string,
    writes: readonly (ActivityWrite & { id: number })[],
    language: 'ru' | 'en',
  ): Promise<(WriteResult | null)[]> {
    const answers = await writer.send(
      memberId,
      writes.map(({ id, card }) => ({
        method: 'crm.activity.configurable.update',
        params: { id, fields: toActivityFields(card), layout: toLayout(card, language) },
      })),
    );
    return answers.map((answer, index) => {
      if (answer.ok) return { ok: true, id: (writes[index] as { id: number }).id };
      return answer.kind === 'gone' || answer.error === WRONG_APPLICATION ? null : refused(memberId, answer);
    });
  }

  /**
   * Finds our own activities of an earlier attempt whose answer was lost, and makes those that are not there. Origins
   * are not unique for the portal, so one process at a time looks and makes.
   */
  async function make(
    memberId: string,
    writes: readonly ActivityWrite[],
    language: 'ru' | 'en',
    claim: HeldLock,
  ): Promise<WriteResult[]> {
    const results = new Array<WriteResult>(writes.length);
    const listed = await writer.send(memberId, writes.map(lookUp));
    const candidates = new Map<number, number[]>();
    for (const [index, answer] of listed.entries()) {
      if (!answer.ok) results[index] = refused(memberId, answer);
      else {
        const ids = rowsShape.safeParse(answer.result).data ?? [];
        const own = ids.filter((id) => id !== writes[index]?.activityId);
        candidates.set(
          index,
          own.sort((a, b) => b - a),
        );
      }
    }
    // Ours, and those that other applications have marked as we do.
    for (let round = 0; ; round += 1) {
      const open = [...candidates].flatMap(([index, ids]) => {
        const id = ids[round];
        return results[index] === undefined && id !== undefined ? [{ index, id }] : [];
      });
      if (open.length === 0) break;
      const updated = await update(
        memberId,
        open.map(({ index, id }) => ({ ...(writes[index] as ActivityWrite), id })),
        language,
      );
      for (const [at, { index }] of open.entries()) {
        const result = updated[at];
        if (result) results[index] = result;
      }
    }
    const missing = writes.map((_, index) => index).filter((index) => results[index] === undefined);
    if (!claim.isHeld()) {
      // This process stood still, and what was not there when it looked may have been made by another.
      for (const index of missing) results[index] = { ok: false, why: 'retry' };
      return results;
    }
    const answers = await writer.send(
      memberId,
      missing.map((index) => toAdd(writes[index] as ActivityWrite, language)),
    );
    for (const [at, index] of missing.entries()) {
      const answer = answers[at] as BatchAnswer;
      if (!answer.ok) results[index] = refused(memberId, answer);
      else {
        const made = madeShape.safeParse(answer.result);
        results[index] = made.success ? { ok: true, id: made.data.activity.id } : { ok: true };
      }
    }
    return results;
  }

  /** A portal that has no such activities is told of once; a deal does without them. */
  function refused(memberId: string, answer: BatchAnswer): WriteResult {
    const result = toWriteResult(answer);
    if (result.ok || result.why !== 'refused' || answer.ok) return result;
    if (!refusedOn.has(memberId)) {
      refusedOn.add(memberId);
      log.warn('activity.refused', { memberId, code: answer.error });
    }
    const isAll = answer.kind === 'access' || answer.error === NO_METHOD;
    return isAll ? { ...result, said: true } : result;
  }

  return async function putActivities(
    memberId: string,
    language: 'ru' | 'en',
    writes: readonly ActivityWrite[],
  ): Promise<WriteResult[]> {
    const results = new Array<WriteResult>(writes.length);
    const known = writes.flatMap((write, index) =>
      write.activityId === null ? [] : [{ ...write, index, id: write.activityId }],
    );
    const updated = await update(memberId, known, language);
    for (const [at, { index }] of known.entries()) {
      const result = updated[at];
      if (result) results[index] = result;
    }
    const open = writes.map((_, index) => index).filter((index) => results[index] === undefined);
    if (open.length === 0) return results;
    const made = await locks.hold(`activities:${memberId}`, (claim) =>
      make(
        memberId,
        open.map((index) => writes[index] as ActivityWrite),
        language,
        claim,
      ),
    );
    for (const [at, index] of open.entries()) results[index] = made[at] as WriteResult;
    return results;
  };
}

function lookUp({ item, card }: ActivityWrite): BatchCommand {
  return {
    method: 'crm.activity.list',
    params: {
      filter: {
        OWNER_TYPE_ID: item.typeId,
        OWNER_ID: item.id,
        ORIGINATOR_ID: ACTIVITY_ORIGINATOR,
        ORIGIN_ID: String(card.documentId),
      },
      select: ['ID'],
    },
  };
}

function toAdd({ item, card }: ActivityWrite, language: 'ru' | 'en'): BatchCommand {
  return {
    method: 'crm.activity.configurable.add',
    params: {
      ownerTypeId: item.typeId,
      ownerId: item.id,
      fields: { typeId: 'CONFIGURABLE', ...toActivityFields(card) },
      layout: toLayout(card, language),
    },
  };
}
