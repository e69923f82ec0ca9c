import { inDatabase } from '../../test/sandbox/in-database.ts';
import { CREATE, type Stands } from './stands.ts';

const STAGE = 'C1:DRAIN';
const LONGEST_MS = 300_000;

/**
 * Answers that lie ready, sent in batches of this size at the portal's rate: seconds they take, seconds that the rate
 * allows at best, answers a second beyond those that the full bucket takes at once, and how many hits the portal refused
 * for its limit.
 */
export async function measureDrain(
  { portal, dataDir, addDeal }: Stands,
  answers: number,
  rate: { perSecond: number; bucket: number },
  batch: number,
): Promise<{ seconds: number; theory: number; perSecond: number; refused: number }> {
  portal.placeRobot(STAGE, CREATE, { subject: 'Замер' });
  const sent = () => portal.journal.filter((entry) => entry.method === 'bizproc.event.send').length;
  const workflow = await portal.moveItem(2, addDeal(), STAGE);
  await portal.waitForStep(workflow, CREATE, 20_000);
  return inDatabase(dataDir, async (client) => {
    // The bucket is full again, as it is before a storm.
    await new Promise((resolve) => setTimeout(resolve, (5 / rate.perSecond) * 1000));
    const from = sent();
    await client.query(
      `WITH one AS (SELECT * FROM run WHERE state = 'ended' LIMIT 1), made AS (
         INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, ending, received_at, deadline_at, next_at)
         SELECT 'bench-' || n, member_id, portal, robot, 'DEAL_' || n, call, true, 'ended', 'done', received_at, deadline_at, next_at
         FROM one, generate_series(1, $1) AS n RETURNING *)
       INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, created_at, due_at)
       SELECT member_id, made.portal, 'answer', 'first', made.id || '/1', made.id, made.item_code, answer.payload, now(), now()
       FROM made, (SELECT payload FROM outbox WHERE kind = 'answer' LIMIT 1) AS answer`,
      [answers],
    );
    const began = performance.now();
    while (sent() - from < answers && performance.now() - began < LONGEST_MS)
      await new Promise((resolve) => setTimeout(resolve, 50));
    const seconds = (performance.now() - began) / 1000;
    return {
      seconds,
      theory: Math.max(0, answers / batch - rate.bucket) / rate.perSecond,
      perSecond: (answers - rate.bucket * batch) / seconds,
      refused: portal.journal.filter((entry) => entry.error === 'QUERY_LIMIT_EXCEEDED').length,
    };
  });
}
