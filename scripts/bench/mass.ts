import { burst } from './burst.ts';
import { CREATE, type Stands, startStands } from './stands.ts';

const STAGE = 'C1:MASS';
const OTHER_STAGE = 'C1:SINGLE';
const DIRECTUM_MS = 30;
const LONGEST_MS = 900_000;
const ANSWER_BATCH = 25;
/** After the calls of the mass: a single deal then comes while the mass is worked on. */
const SINGLE_AFTER_MS = 5_000;

export interface MassPlan {
  deals: number;
  rate: { perSecond: number; bucket: number };
}

/**
 * The least seconds for the first answers of so many deals: what the bucket allows for answers 25 and proofs 50 in a hit and
 * lists, and forty contracts a second in Directum.
 */
export const limitOf = ({ deals, rate }: MassPlan): number =>
  Math.max((deals / ANSWER_BATCH + deals / 50 + deals / 333 - rate.bucket) / rate.perSecond, deals / 40);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A Russian INN of ten digits that is unlike any other seed's. */
function inn(seed: number): string {
  const digits = `77${String(seed).padStart(7, '0')}`;
  const weights = [2, 4, 10, 3, 5, 9, 4, 6, 8];
  const sum = weights.reduce((all, weight, index) => all + weight * Number(digits[index]), 0);
  return `${digits}${(sum % 11) % 10}`;
}

/** A deal of a company of its own, which Directum knows or not. */
function addDeal({ portal, directum }: Stands, user: number, seed: number, isKnown: boolean): number {
  const company = portal.addCompany({ TITLE: `Компания ${seed}` });
  const RQ_INN = inn(seed);
  const requisite = { PRESET_ID: 1, ACTIVE: 'Y', SORT: 1, RQ_INN, RQ_KPP: '770101001' };
  const id = portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: company, ...requisite });
  portal.addBankDetail({ ENTITY_ID: id, RQ_ACC_NUM: '40702810000000000001', RQ_BANK_NAME: 'Банк' });
  portal.addAddress({ ENTITY_ID: id, TYPE_ID: 6, CITY: 'Москва', ADDRESS_1: `Тверская, ${seed}` });
  if (isKnown)
    directum.add('ICompanies', {
      Name: `Компания ${seed}`,
      TIN: RQ_INN,
      TRRC: '770101001',
      Status: 'Active',
    });
  const money = { opportunity: 10, currencyId: 'RUB' };
  return portal.addItem(2, { title: `Сделка ${seed}`, companyId: company, assignedById: user, ...money });
}

/** Thousands of deals enter a stage at once, at the portal's real rate: what it takes, and what it costs both platforms. */
export async function measureMass(plan: MassPlan) {
  const stands = await startStands({ BITRIX24_ANSWER_BATCH: String(ANSWER_BATCH) }, plan.rate);
  try {
    await stands.startService();
    await stands.install();
    return await massOf(stands, plan);
  } finally {
    await stands.stop();
  }
}

async function massOf(stands: Stands, plan: MassPlan) {
  const { portal, directum } = stands;
  portal.placeRobot(STAGE, CREATE, { subject: 'Масса' });
  portal.placeRobot(OTHER_STAGE, CREATE, { subject: 'Одна' });
  const user = portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Петров', EMAIL: 'ivanov@acme.example' });
  const forms: Record<string, string>[] = [];
  while (forms.length < plan.deals)
    forms.push(await stands.callOf(STAGE, addDeal(stands, user, forms.length, forms.length % 2 === 0)));
  directum.misbehave.next({ delayMs: DIRECTUM_MS, times: Number.POSITIVE_INFINITY });
  // The bucket is full again.
  await pause((plan.rate.bucket / plan.rate.perSecond) * 1_000);

  const from = { hits: portal.journal.length, requests: directum.journal.length };
  const sends = () =>
    portal.journal.slice(from.hits).filter(({ method }) => method === 'bizproc.event.send').length;
  const until = async (what: string, holds: () => boolean) => {
    while (!holds()) {
      if (performance.now() - began > LONGEST_MS)
        throw new Error(`${what}: not within ${LONGEST_MS / 1000} s`);
      await pause(100);
    }
  };
  const began = performance.now();
  const { failed } = await burst(stands.url, forms);
  await pause(SINGLE_AFTER_MS);
  const single = addDeal(stands, user, plan.deals, false);
  const singleFrom = performance.now();
  const workflow = await portal.moveItem(2, single, OTHER_STAGE);
  await portal.waitForStep(workflow, CREATE, LONGEST_MS);
  const singleSeconds = (performance.now() - singleFrom) / 1_000;
  const deals = plan.deals + 1;
  await until('first answers', () => sends() >= deals);
  const seconds = (performance.now() - began) / 1_000;
  const requests = directum.journal.slice(from.requests).filter(isOfARobot).length;
  await until('second answers', () => sends() >= 2 * deals);

  const hits = portal.journal.slice(from.hits).filter(({ viaBatch }) => !viaBatch);
  const contracts = directum.all('IContracts').filter(({ Subject }) => Subject === 'Масса');
  const cost = (some: typeof hits) => some.length / deals;
  return {
    failed,
    seconds,
    singleSeconds,
    contracts: contracts.length,
    keys: new Set(contracts.map(({ ExternalId }) => ExternalId)).size,
    hits: cost(hits.filter((hit) => !isShown(hit))),
    sends: cost(hits.filter(isSend)),
    refused: hits.filter(({ error }) => error === 'QUERY_LIMIT_EXCEEDED').length,
    requests: requests / deals,
  };
}

const textOf = ({ method, params }: { method: string; params: unknown }) =>
  `${method} ${JSON.stringify(params)}`;
const isSend = (hit: { method: string; params: unknown }) => /bizproc\.event\.send/.test(textOf(hit));
/** What deals show is written beside the runs. */
const isShown = (hit: { method: string; params: unknown }) =>
  /crm\.item\.update|crm\.activity\.|im\.notify|crm\.timeline/.test(textOf(hit));
const isOfARobot = ({ path, query }: { path: string; query: string }) =>
  !path.startsWith('Docflow/GetCurrentCultureName') && !query.includes('Modified');
