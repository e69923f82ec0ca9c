import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { DocumentSlotsPort } from '../../robot/ports/document-slots.ts';
import type { AttemptLocks } from '../../robot/ports/locks.ts';
import type { PortalPort } from '../../robot/ports/portal.ts';

type Reads<Port> = readonly (keyof Port & string)[];

/** What only reads in Directum. Anything else there is an effect. */
const DIRECTUM_READS: { [Group in keyof DirectumPort]?: Reads<DirectumPort[Group]> } = {
  catalogue: [
    'documentKind',
    'usualKind',
    'category',
    'businessUnit',
    'businessUnitByTin',
    'department',
    'template',
    'currency',
    'vatRate',
  ],
  employees: ['byEmail', 'byReference'],
  counterparties: ['check'],
  documents: [
    'byId',
    'byExternalId',
    'holderOf',
    'leading',
    'having',
    'registerOf',
    'properties',
    'parseExtra',
  ],
  versions: ['hasBody', 'checkFile'],
  states: ['read', 'newestTask', 'work', 'registrationDate', 'signing', 'fetchSigned'],
};
/** `read` brings the proof of the call with it. */
const PORTAL_READS: Reads<PortalPort> = ['read', 'openFile', 'checkFileField', 'findTemplate'];
const SLOTS_READS: Reads<DocumentSlotsPort> = [
  'externalId',
  'alone',
  'find',
  'generated',
  'lastStatus',
  'begunByThisRun',
  'begunByAnyRun',
];

interface Ports {
  portal: PortalPort;
  directum: DirectumPort;
  slots: DocumentSlotsPort;
  proof: { demand(): Promise<void> };
  locks: Pick<AttemptLocks, 'check'>;
  /** The run only checks: no effect is let through. */
  isCheck: boolean;
}

/**
 * A robot's ports, in which every effect waits for the proof: a robot changes nothing for a call that the portal has not
 * confirmed. A method that is not listed as a reading counts as an effect. Those on the portal look besides whether the run
 * is still the attempt's own; the others do so by their locks.
 */
export function guardEffects({
  portal,
  directum,
  slots,
  proof,
  locks,
  isCheck,
}: Ports): Pick<Ports, 'portal' | 'directum' | 'slots'> {
  const demand = async () => {
    if (isCheck) throw new Error('a check changes nothing');
    await proof.demand();
  };
  const groups = Object.entries(directum).map(([name, group]: [string, object]) => {
    const reads = Object.entries(DIRECTUM_READS).find(([listed]) => listed === name)?.[1] ?? [];
    return [name, guarded(group, reads, demand)];
  });
  return {
    portal: guarded(portal, PORTAL_READS, async () => {
      await demand();
      locks.check();
    }),
    // The same groups, each behind its guard; `Object.fromEntries` forgets their names.
    directum: Object.fromEntries(groups) as unknown as DirectumPort,
    slots: guarded(slots, SLOTS_READS, demand),
  };
}

function guarded<Port extends object>(
  port: Port,
  reads: readonly string[],
  demand: () => Promise<void>,
): Port {
  return new Proxy(port, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || reads.includes(String(name))) return method;
      return async (...given: unknown[]) => {
        await demand();
        return method.apply(target, given);
      };
    },
  });
}
