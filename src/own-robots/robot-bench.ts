import type { DirectumPort, DocumentCard } from '../robot/ports/directum.ts';
import type { ItemSnapshot, PortalPort } from '../robot/ports/portal.ts';
import type { AnyRobot } from '../robot/robot.ts';
import type { Properties } from '../robot/run/inputs.ts';
import { runRobot, toAnswer } from '../robot/run-robot.ts';

/** What stands around a robot under test; whatever a test does not give is empty. */
export interface BenchWorld {
  item?: Partial<Omit<ItemSnapshot, 'ref'>>;
  /** Documents of Directum by their ids: what is shown of the card, and its further `properties`. */
  documents?: Record<number, Partial<DocumentCard> & { properties?: Record<string, unknown> }>;
  /** Ids of documents by the slots of the item that hold them. */
  slots?: Record<string, number>;
  /** Ports of the robot that differ from the bench's own, group by group. */
  directum?: { [Group in keyof DirectumPort]?: Partial<DirectumPort[Group]> };
  portal?: Partial<PortalPort>;
  language?: 'ru' | 'en';
}

const DEAL = { typeId: 2, id: 1, code: 'DEAL_1' };
const EMPTY: DocumentCard = {
  id: 0,
  name: '',
  url: '',
  registrationNumber: null,
  counterparty: null,
  leadingId: null,
  externalId: null,
  lifeCycleState: null,
  internalApprovalState: null,
  externalApprovalState: null,
  lastVersionApproved: false,
  hasVersions: false,
};

/**
 * A robot on a deal of a made-up portal and Directum, for its tests: `run` gives it a step's inputs as a designer fills them
 * in and answers what the next robots see, `ok`, `error_code` and `error_text` among it. A method that the bench and the
 * world lack fails with its name.
 */
export function robotBench(robot: AnyRobot, world: BenchWorld = {}) {
  const { documents = {}, language = 'ru' } = world;
  const slots = new Map(Object.entries(world.slots ?? {}));
  const snapshot: ItemSnapshot = {
    ref: DEAL,
    title: 'Сделка',
    url: 'https://portal.example/crm/deal/details/1/',
    amount: null,
    currency: null,
    responsibleUserId: null,
    party: null,
    ownCompany: null,
    users: new Map(),
    fields: {},
    ...world.item,
  };
  const cardOf = (id: number): DocumentCard | null => {
    const { properties: _, ...card } = documents[id] ?? {};
    return documents[id] === undefined ? null : { ...EMPTY, ...card, id };
  };
  const own: NonNullable<BenchWorld['directum']> = {
    states: {
      async read(id) {
        const card = cardOf(id);
        if (card === null) return null;
        return { ...card, modified: null, exchangeState: null, ourSignatory: null };
      },
    },
    documents: {
      byId: async (_type, id) => cardOf(id),
      byExternalId: async () => null,
      holderOf: async () => null,
      async properties(_type, id, names) {
        const { properties } = documents[id] ?? {};
        if (documents[id] === undefined) return null;
        return Object.fromEntries(names.map((name) => [name, properties?.[name] ?? null]));
      },
    },
  };
  const groups = new Set([...Object.keys(own), ...Object.keys(world.directum ?? {})]) as Set<
    keyof DirectumPort
  >;
  const directum = Object.fromEntries(
    [...groups].map((group) => [group, lacking(group, { ...own[group], ...world.directum?.[group] })]),
  );
  const context = {
    item: DEAL,
    documentType: DEAL.code,
    portal: lacking('portal', { read: async () => snapshot, ...world.portal }) as PortalPort,
    directum: lacking('directum', directum) as unknown as DirectumPort,
    slots: {
      externalId: (slot: string) => `b24:bench:${DEAL.code}:${slot}`,
      alone: async <T>(_slot: string, work: () => Promise<T>) => work(),
      find: async (slot: string) => slots.get(slot) ?? null,
      begin: async () => undefined,
      begunByThisRun: async () => false,
      begunByAnyRun: async () => false,
      bind: async (slot: string, { id }: { id: number }) => void slots.set(slot, id),
      generated: async () => null,
      keepGenerated: async () => undefined,
      lastStatus: async () => null,
      changing: async () => undefined,
      give: async () => undefined,
      release: async (slot: string) => void slots.delete(slot),
    },
    rules: { fill: async (_robot: AnyRobot, properties: Properties) => ({ properties, row: null }) },
    wait: {
      until: () => new Date(8.64e15),
      left: () => 1,
      last: async () => null,
      savedFile: async () => null,
      fileSaved: async () => undefined,
    },
    settings: { documentKinds: {}, businessUnit: null, responsible: null, timeZone: 'UTC', language },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  return {
    /** Ids of documents by slot, as the robot left them. */
    slots,
    async run(properties: Properties = {}): Promise<Record<string, string | number>> {
      const outcome = await runRobot(robot, properties, context);
      if (outcome.kind === 'waiting') return { waiting: 'Y' };
      if (outcome.kind === 'failed' && outcome.code === 'internal_error' && outcome.cause)
        throw outcome.cause;
      return toAnswer(outcome, 'bench', language);
    },
  };
}

/** A port that says which of its methods or groups a test has to give. */
function lacking<Port extends object>(name: string, port: Port): Port {
  return new Proxy(port, {
    get(target, key) {
      if (Reflect.has(target, key) || typeof key === 'symbol') return Reflect.get(target, key);
      throw new Error(`the bench has no ${name}.${key}: give it in the world`);
    },
  });
}
