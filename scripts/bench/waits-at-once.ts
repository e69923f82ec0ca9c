import { inDatabase } from '../../test/sandbox/in-database.ts';
import type { Stands } from './stands.ts';
import { mostOfACycle } from './waits.ts';

const WAIT = 'directum_wait_signature';
const STAGE = 'C1:MANY_WAIT';
/** From the second minute on nothing that began is read any more. */
const SETTLED_MS = 70_000;
const LIMIT_MS = 120_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** So many deals enter a stage at once, each to wait for a document of its own: what it costs in Directum. */
export async function measureWaitsAtOnce(
  { dataDir, directum, portal, addDeal }: Stands,
  waits: number,
  pollSeconds: number,
): Promise<{ waiting: number; perWait: number; cycle: number }> {
  const ids = Array.from({ length: waits }, (_, n) =>
    directum.add('IContracts', { Name: `Ожидание ${n}`, InternalApprovalState: 'OnApproval' }),
  );
  const deals = ids.map((id) => {
    const deal = addDeal();
    portal.setItem(2, deal, { UF_CRM_DIRECTUM_ID: id });
    return deal;
  });
  portal.placeRobot(STAGE, WAIT, { document_id: '{=Document:UF_CRM_DIRECTUM_ID}' });
  return inDatabase(dataDir, async (client) => {
    const from = directum.journal.length;
    await Promise.all(deals.map((deal) => portal.moveItem(2, deal, STAGE)));
    const began = Date.now();
    let waiting = 0;
    while (waiting < waits && Date.now() - began < LIMIT_MS) {
      await pause(250);
      const { rows } = await client.query(
        `SELECT count(*)::int AS count FROM run JOIN wait ON run_id = id WHERE state = 'waiting' AND document_id = ANY($1)`,
        [ids],
      );
      waiting = rows[0].count;
    }
    const isAsked = ({ query }: { query: string }) => !query.includes('Modified gt');
    const requests = directum.journal.slice(from).filter(isAsked).length;
    await pause(Math.max(0, SETTLED_MS - (Date.now() - began)));
    const settled = directum.journal.length;
    await pause(pollSeconds * 3_000);
    return { waiting, perWait: requests / waits, cycle: mostOfACycle(directum.journal.slice(settled)) };
  });
}
