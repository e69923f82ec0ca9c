import { z } from 'zod';
import type { ActivityCard, WriteResult } from '../../documents/ports/deal.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { toWriteResult, type Writer, withAnswers } from '../rest/writes.ts';
import { ACTIVITY_ORIGINATOR, toActivityFields, toLayout } from './activity-card.ts';
import { putOnce } from './put-once.ts';

interface ActivityWrite {
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

  return (
    memberId: string,
    language: 'ru' | 'en',
    writes: readonly ActivityWrite[],
  ): Promise<WriteResult[]> =>
    putOnce(writes, {
      idOf: ({ activityId }) => activityId,

      async update(known) {
        const answers = await writer.send(
          memberId,
          known.map(([{ card }, id]) => toUpdate(id, card, language)),
        );
        return withAnswers(known, answers).map(([[, id], answer]) => {
          if (answer.ok) return { ok: true, id };
          // The other application's activity is one that is marked as ours are.
          const isLost = answer.kind === 'gone' || answer.error === WRONG_APPLICATION;
          return isLost ? null : refused(memberId, answer);
        });
      },

      async find(missing) {
        const answers = await writer.send(memberId, missing.map(lookUp));
        return withAnswers(missing, answers).map(([{ activityId }, answer]) => {
          if (!answer.ok) return refused(memberId, answer);
          const ids = rowsShape.safeParse(answer.result).data ?? [];
          return ids.filter((id) => id !== activityId).sort((a, b) => b - a);
        });
      },

      async make(missing) {
        const answers = await writer.send(
          memberId,
          missing.map((write) => toAdd(write, language)),
        );
        return answers.map((answer): WriteResult => {
          if (!answer.ok) return refused(memberId, answer);
          const made = madeShape.safeParse(answer.result);
          return made.success ? { ok: true, id: made.data.activity.id } : { ok: true };
        });
      },

      locked: (work) => locks.hold(`activities:${memberId}`, work),
    });

  /** A portal that has no such activities is logged once; a deal does without them. */
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
}

function toUpdate(id: number, card: ActivityCard, language: 'ru' | 'en'): BatchCommand {
  return {
    method: 'crm.activity.configurable.update',
    params: { id, fields: toActivityFields(card), layout: toLayout(card, language) },
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
