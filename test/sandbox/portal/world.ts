import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Rendering } from './frames/opening.ts';
import type { Generator } from './generator/memory.ts';
import type {
  Activity,
  Delivery,
  Fields,
  FrameMessage,
  JournalEntry,
  Misbehave,
  Notice,
  PlacedRobot,
  Rule,
  TimelineEntry,
  Workflow,
} from './types.ts';

export interface Grant {
  userId: number;
  /** `webhook`: a token without the application's context. */
  context: 'app' | 'webhook';
  /** client_id of the application it was issued to. */
  application: string;
  scopes: readonly string[];
  expiresAt: number;
  refreshToken: string;
}

export interface Registration {
  code: string;
  handler: string;
  authUserId: number;
  useSubscription: 'Y' | 'N' | '';
  name: unknown;
  properties: Record<string, Fields>;
  returnProperties: Record<string, Fields>;
  filter: Fields | undefined;
  documentType: string[] | undefined;
  placementHandler: string;
}

export interface UserField {
  id: number;
  entityId: string;
  fieldName: string;
  userTypeId: string;
  multiple: boolean;
  list: { id: number; value: string; xmlId: string; sort: number; def: string }[];
  raw: Fields;
}

export interface StoredFile {
  id: number;
  name: string;
  bytes: Buffer;
}

/** Everything the stand-in portal remembers; its modules are functions over this. */
export interface World {
  url: string;
  oauthUrl: string;
  now: () => Date;
  language: string;
  culture: 'ru' | 'en';
  clientId: string;
  clientSecret: string;
  memberId: string;
  applicationToken: string;
  eventKey: string;
  scopes: Set<string>;
  app: {
    present: boolean;
    installed: boolean;
    version: number;
    /** Where it is installed; its main page when there is no other. */
    address: string;
    mainUrl: string;
    scriptOnly: boolean;
  };
  journal: JournalEntry[];
  deliveries: Delivery[];
  background: Set<Promise<unknown>>;
  timers: Set<NodeJS.Timeout>;
  /** Ends what is under way when the portal stops. */
  stopping: AbortController;
  access: Map<string, Grant>;
  refresh: Map<string, { userId: number; accessToken: string; expiresAt: number }>;
  users: Map<number, Fields>;
  departments: Map<number, Fields>;
  /** `type:id` of items a user may not read, and types of which he may read none. */
  hidden: Map<number, Set<string>>;
  closed: Map<number, Set<number>>;
  items: Map<number, Map<number, Fields>>;
  types: Map<number, { id: number; entityTypeId: number; title: string }>;
  userFields: UserField[];
  files: Map<number, StoredFile>;
  stages: Map<string, { id: string; name: string }[]>;
  requisites: Fields[];
  bankDetails: Fields[];
  addresses: Fields[];
  links: Map<string, Fields>;
  timeline: Map<string, TimelineEntry[]>;
  activities: Activity[];
  notices: Notice[];
  tasks: Map<number, Fields>;
  taskComments: Map<number, { authorId: number; message: string }[]>;
  generator: Generator;
  robots: Map<string, Registration>;
  placements: {
    id: number;
    placement: string;
    handler: string;
    title: string;
    description: string;
    langAll: Record<string, Fields>;
  }[];
  /** Users without access to the application. */
  noApp: Set<number>;
  renderings: Map<string, Rendering>;
  frameMessages: FrameMessage[];
  appOptions: Fields;
  userOptions: Map<number, Fields>;
  events: { event: string; handler: string; authType: number }[];
  triggers: Map<string, string>;
  placedTriggers: { entityTypeId: number; stage: string; code: string }[];
  triggerRuns: { code: string; entityTypeId: number; id: number; at: Date }[];
  placed: PlacedRobot[];
  workflows: Map<string, Workflow>;
  rules: Rule[];
  misbehave: Misbehave;
  counters: Map<string, number>;
  /** Operating seconds by method and minute. */
  operated: Map<string, { minute: number; seconds: number }[]>;
}

export function nextId(world: World, what: string, first = 1): number {
  const id = (world.counters.get(what) ?? first - 1) + 1;
  world.counters.set(what, id);
  return id;
}

export const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** Remember work that goes on after the answer, so that stop() and settled() can wait for it. */
export function inBackground(world: World, work: Promise<unknown>): void {
  const kept: Promise<unknown> = work.catch(() => undefined).finally(() => world.background.delete(kept));
  world.background.add(kept);
}

export function later(world: World, ms: number, work: () => void): void {
  inBackground(
    world,
    new Promise<void>((done) => {
      const timer = setTimeout(() => {
        world.timers.delete(timer);
        work();
        done();
      }, ms);
      world.timers.add(timer);
    }),
  );
}

const sign = (world: World, text: string): string =>
  createHmac('sha256', world.eventKey).update(text).digest('hex');

export function makeEventToken(world: World, workflowId: string, activityName: string): string {
  const salt = randomBytes(24).toString('base64url').slice(0, 32);
  return `${workflowId}|${activityName}|${salt}.${sign(world, `${workflowId}|${activityName}|${salt}`)}`;
}

export function isEventTokenSigned(world: World, token: string): boolean {
  const dot = token.lastIndexOf('.');
  if (dot < 0 || token.split('|').length !== 3) return false;
  const given = Buffer.from(token.slice(dot + 1));
  const right = Buffer.from(sign(world, token.slice(0, dot)));
  return given.length === right.length && timingSafeEqual(given, right);
}

export const domainOf = (world: World): string => new URL(world.url).host;

export const isAdmin = (world: World, userId: number): boolean => world.users.get(userId)?.['ADMIN'] === true;

export const isActive = (world: World, userId: number): boolean =>
  world.users.get(userId)?.['ACTIVE'] === true;
