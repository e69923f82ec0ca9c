import { burst } from './burst.ts';
import { CREATE, type Stands } from './stands.ts';

const STAGE = 'C1:STORM';
const LONGEST_MS = 900_000;

/** Calls of that many deals at once: how long until all are accepted, until all contracts are made, and how many there are. */
export async function measureStorm(
  stands: Stands,
  calls: number,
): Promise<{
  acceptedIn: number;
  slowestMs: number;
  failed: number;
  madeIn: number;
  contracts: number;
  keys: number;
}> {
  const { portal, directum } = stands;
  portal.placeRobot(STAGE, CREATE, { subject: 'Буря' });
  const forms = [];
  while (forms.length < calls) forms.push(await stands.callOf(STAGE, stands.addDeal()));
  const began = performance.now();
  const result = await burst(stands.url, forms);
  const acceptedIn = (performance.now() - began) / 1000;
  const made = () => directum.all('IContracts').filter((contract) => String(contract['Subject']) === 'Буря');
  while (made().length < calls && performance.now() - began < LONGEST_MS)
    await new Promise((resolve) => setTimeout(resolve, 1000));
  const madeIn = (performance.now() - began) / 1000;
  const contracts = made();
  return {
    acceptedIn,
    slowestMs: result.slowestMs,
    failed: result.failed,
    madeIn,
    contracts: contracts.length,
    keys: new Set(contracts.map((contract) => contract['ExternalId'])).size,
  };
}
