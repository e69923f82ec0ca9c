import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { DocumentSlotsPort } from '../../robot/ports/document-slots.ts';
import type { PortalPort } from '../../robot/ports/portal.ts';

type Reads<Port> = readonly (keyof Port & string)[];

/** What only reads in Directum. Anything else there is an effect. */
const DIRECTUM_READS: { [Group in keyof DirectumPort]?: Reads<DirectumPort[Group]> } = {
  catalogue: [
    'documentKind',
    'category',
    'businessUnit',
    'businessUnitByTin',
    'department',
    'template',
    'currency',
    'vatRate',
  ],
  employees: ['byEmail', 'byReference'],
  contracts: ['byId', 'byExternalId', 'parseExtra'],
  versions: ['hasBody', 'checkFile'],
  states: ['read', 'newestTask', 'signing', 'fetchSigned'],
};
/** `read` brings the proof of the call with it. */
const PORTAL_READS: Reads<PortalPort> = ['read', 'openFile', 'checkFileField'];
const SLOTS_READS: Reads<DocumentSlotsPort> = [
  'externalId',
  'alone',
  'find',
  'begunByThisRun',
  'begunByAnyRun',
];

interface Ports {
  portal: PortalPort;
  directum: DirectumPort;
  slots: DocumentSlotsPort;
}

/**
 * A robot's ports, in which every effect waits for `demand`: a robot changes nothing for a call that the portal has not
 * confirmed. A method that is not listed as a reading counts as an effect.
 */
export function guardEffects({ portal, directum, slots }: Ports, demand: () => Promise<void>): Ports {
  const groups = Object.entries(directum).map(([name, group]: [string, object]) => {
    const reads = Object.entries(DIRECTUM_READS).find(([listed]) => listed === name)?.[1] ?? [];
    return [name, guarded(group, reads, demand)];
  });
  return {
    portal: guarded(portal, PORTAL_READS, demand),
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
