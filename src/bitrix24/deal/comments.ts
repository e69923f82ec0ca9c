import { z } from 'zod';
import type { TimelineComment, WriteResult } from '../../documents/ports/deal.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import { isPassing, toRefusal, toUnsure, toWriteResult, type Writer, withAnswers } from '../rest/writes.ts';

const rowsShape = z
  .array(z.unknown())
  .transform((rows) =>
    rows.flatMap((row) => z.object({ COMMENT: z.string() }).safeParse(row).data?.COMMENT ?? []),
  );

/** Comments in timelines (bitrix24.md F8), up to 50 in a hit. */
export function createCommentWriter({ writer, log }: { writer: Writer; log: Log }) {
  /** A portal that cannot be reached is an answer to each command. */
  async function send(memberId: string, commands: BatchCommand[]): Promise<BatchAnswer[]> {
    if (commands.length === 0) return [];
    try {
      return await writer.send(memberId, commands);
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      log.warn('comments.failed', { memberId, error });
      return commands.map(() => toRefusal(error));
    }
  }

  /** What an earlier try came to; null when the comment is still to be left. */
  function toEarlier({ mark, unsure }: TimelineComment, listed: BatchAnswer): WriteResult | null {
    if (listed.ok) {
      const texts = rowsShape.safeParse(listed.result).data ?? [];
      return texts.some((text) => text.includes(mark)) ? { ok: true } : null;
    }
    if (isPassing(listed)) return { ok: false, why: 'retry', ...(unsure && { unsure }) };
    if (listed.kind === 'gone') return { ok: false, why: 'gone' };
    // It cannot be looked for. A second comment would be worse than none, unless the portal said that the first failed.
    log.warn('comment.not_looked_for', { code: listed.error, unsure });
    return unsure === 'failed' ? null : { ok: true };
  }

  return async (memberId: string, comments: readonly TimelineComment[]): Promise<WriteResult[]> => {
    const results = new Map<TimelineComment, WriteResult>();
    const unsure = comments.filter((comment) => comment.unsure !== null);
    const listed = await send(memberId, unsure.map(toLookUp));
    for (const [comment, answer] of withAnswers(unsure, listed)) {
      const earlier = toEarlier(comment, answer);
      if (earlier !== null) results.set(comment, earlier);
    }
    const left = comments.filter((comment) => !results.has(comment));
    const answers = await send(memberId, left.map(toCommand));
    for (const [comment, answer] of withAnswers(left, answers)) {
      const result = toWriteResult(answer);
      const doubt = toUnsure(answer);
      results.set(comment, !result.ok && doubt !== null ? { ...result, unsure: doubt } : result);
    }
    // Every comment has its result by now.
    return comments.map((comment) => results.get(comment) as WriteResult);
  };
}

const toOwner = ({ id, code }: ItemRef) => ({
  ENTITY_ID: id,
  ENTITY_TYPE: code.replace(/_\d+$/, '').toLowerCase(),
});

function toCommand({ item, text }: TimelineComment): BatchCommand {
  return { method: 'crm.timeline.comment.add', params: { fields: { ...toOwner(item), COMMENT: text } } };
}

/** The newest first, one page of 50. */
function toLookUp({ item }: TimelineComment): BatchCommand {
  const params = { filter: toOwner(item), select: ['ID', 'COMMENT'], order: { ID: 'DESC' } };
  return { method: 'crm.timeline.comment.list', params };
}
