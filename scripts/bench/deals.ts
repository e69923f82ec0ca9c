import type pg from 'pg';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import { inDatabase } from '../../test/sandbox/in-database.ts';
import { CREATE, type Stands } from './stands.ts';
import { mostOfACycle } from './waits.ts';

const NUMBER = 'UF_CRM_DIRECTUM_NUMBER';
const CYCLES = 4;
const LOOK_MS = 20;
const MOST_MS = 60_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export interface DealsPlan {
  /** Documents whose deals stand in the portal, and all that are watched. */
  shown: number;
  watched: number;
  /** How many change at one moment. */
  atOnce: number;
  /** Single changes, and the time between two of them. */
  single: number;
  everyMs: number;
  pollSeconds: number;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + MOST_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what} did not happen within ${MOST_MS / 1000} s`);
    await pause(LOOK_MS);
  }
}

/** A contract that a robot made for a deal, and so many more like it; those beyond `shown` have deals that are gone by name only. */
async function fill(
  client: pg.Client,
  stands: Stands,
  plan: DealsPlan,
): Promise<{ id: number; deal: number }[]> {
  const { portal, directum } = stands;
  // Without any assignment in Directum there would be no third question to count.
  const old = { Subject: 'Замер', Modified: '2020-01-01T00:00:00Z' };
  const task = directum.add('ISimpleTasks', { ...old, Status: 'InProcess' });
  directum.add('ISimpleAssignments', { ...old, Task: task, MainTask: task });
  portal.placeRobot('C1:SHOWN', CREATE, { subject: 'Замер' });
  const first = stands.addDeal();
  const { outputs } = await portal.waitForStep(await portal.moveItem(2, first, 'C1:SHOWN'), CREATE, 20_000);
  const template = Number((outputs as { document_id: string }).document_id);
  await until('the first deal showing its contract', () => portal.activities(2, first).length === 1);
  const { Name: name } = directum.get('IContracts', template);
  const shownPairs = Array.from({ length: plan.watched }, (_, n) => ({
    id: directum.add('IContracts', { Name: name, Modified: '2020-01-01T00:00:00Z' }) as number,
    deal: n < plan.shown ? stands.addDeal() : 10_000_000 + n,
  }));
  const rows = JSON.stringify(shownPairs);
  const keys = await loadSecretKeys({ dataDir: stands.dataDir });
  const seen = await client.query<{ observed: string }>('SELECT observed FROM document WHERE id = $1', [
    template,
  ]);
  const observed = JSON.parse(keys.decrypt(seen.rows[0]?.observed ?? '', 'document.observed'));
  const documents = shownPairs.map(({ id }) => {
    const state = { ...observed, id, modified: '2020-01-01T03:00:00+03:00' };
    state.url = state.url.replace(String(template), String(id));
    return { id, observed: keys.encrypt(JSON.stringify(state), 'document.observed') };
  });
  await client.query(
    `INSERT INTO document (id, made, observed, status, status_since, asked_at)
     SELECT c.id, true, c.observed, 'created', status_since, now()
     FROM document, json_to_recordset($1::json) AS c (id bigint, observed jsonb) WHERE document.id = $2`,
    [JSON.stringify(documents), template],
  );
  await client.query(
    `INSERT INTO document_slot (portal, item_code, slot, document_id, url)
     SELECT s.portal, 'DEAL_' || c.deal, 'contract', c.id, s.url
     FROM document_slot s, json_to_recordset($1::json) AS c (id bigint, deal bigint) WHERE s.document_id = $2`,
    [rows, template],
  );
  await client.query(
    `INSERT INTO watched_document (portal, item_code, document_id, created_at, show_at)
     SELECT w.portal, 'DEAL_' || c.deal, c.id, now(), CASE WHEN c.deal < 10000000 THEN now() END
     FROM watched_document w, json_to_recordset($1::json) AS c (id bigint, deal bigint) WHERE w.document_id = $2`,
    [rows, template],
  );
  return shownPairs.slice(0, plan.shown);
}

/** How fast, and for how many requests, deals follow their documents (interface.md §5). */
export async function measureDeals(stands: Stands, plan: DealsPlan) {
  const { portal, directum, dataDir } = stands;
  return inDatabase(dataDir, async (client) => {
    const hits = () => portal.journal.filter(({ viaBatch, method }) => !viaBatch && method !== 'oauth.token');
    const shownPairs = await fill(client, stands, plan);
    await until('all deals showing their contracts', () =>
      shownPairs.every(({ deal }) => portal.activities(2, deal).length === 1),
    );
    await pause(plan.pollSeconds * 2_000);

    const quietFrom = directum.journal.length;
    await pause(plan.pollSeconds * CYCLES * 1_000);
    const quiet = mostOfACycle(directum.journal.slice(quietFrom));

    // From here on no robot has anything to do: whatever is called is an echo of what the package wrote.
    const deliveries = portal.deliveries.length;
    const many = shownPairs.slice(0, plan.atOnce);
    const from = hits().length;
    const began = performance.now();
    for (const { id } of many) directum.patch('IContracts', id, { RegistrationNumber: `М-${id}` });
    const shows = ({ id, deal }: { id: number; deal: number }) =>
      portal.item(2, deal)[NUMBER] === `М-${id}` &&
      JSON.stringify(portal.activities(2, deal)[0]?.layout).includes(`М-${id}`);
    await until('all that changed at once being shown', () => many.every(shows));
    const atOnceSeconds = (performance.now() - began) / 1_000;
    const changedHits = hits().length - from;

    const latencies: number[] = [];
    const following: Promise<void>[] = [];
    for (const one of shownPairs.slice(-plan.single)) {
      const at = performance.now();
      directum.patch('IContracts', one.id, { RegistrationNumber: `Е-${one.id}` });
      following.push(
        until('a single change being shown', () => portal.item(2, one.deal)[NUMBER] === `Е-${one.id}`).then(
          () => void latencies.push((performance.now() - at) / 1_000),
        ),
      );
      await pause(plan.everyMs);
    }
    await Promise.all(following);
    latencies.sort((a, b) => a - b);
    const writes = portal.journal.filter(
      ({ method, viaBatch }) => viaBatch && method.startsWith('crm.'),
    ).length;
    return {
      quiet,
      hitsPerChange: changedHits / many.length,
      atOnceSeconds,
      p99: latencies[Math.ceil(latencies.length * 0.99) - 1] as number,
      refused: portal.journal.filter(({ error }) => error === 'QUERY_LIMIT_EXCEEDED').length,
      writes,
      echoes: portal.deliveries.length - deliveries,
    };
  });
}
