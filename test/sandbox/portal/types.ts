export type Fields = Record<string, unknown>;

export interface PortalOptions {
  port?: number;
  host?: string;
  now?: () => Date;
  language?: string;
  clientId: string;
  clientSecret: string;
  memberId?: string;
  /** Leaky bucket in real time; over it 503 QUERY_LIMIT_EXCEEDED. */
  rate?: { perSecond: number; bucket: number };
  culture?: 'ru' | 'en';
  scopes?: readonly string[];
}

export interface JournalEntry {
  at: Date;
  /** REST method, or `oauth.token`. */
  method: string;
  params: Fields;
  status: number;
  error?: string;
  viaBatch: boolean;
}

export interface PlacedRobot {
  activityName: string;
  entityTypeId: number;
  stage: string;
  code: string;
  properties: Fields;
  useSubscription: 'Y' | 'N' | '';
  authUserId: number;
  after: boolean;
}

export interface Step {
  workflowId: string;
  code: string;
  activityName: string;
  /** `pending`: its chain has not reached it; `failed`: the registration was gone when it ran. */
  status: 'pending' | 'waiting' | 'closed' | 'terminated' | 'failed';
  outputs: Fields;
  /** How many well-signed event.send came for it, whatever they did. */
  answers: number;
  eventToken: string;
  log: string[];
}

export interface Workflow {
  id: string;
  entityTypeId: number;
  itemId: number;
  stage: string;
  startedAt: Date;
  status: 'running' | 'completed' | 'terminated' | 'failed';
  chains: { robot: PlacedRobot; step: Step }[][];
}

export interface Delivery {
  at: Date;
  url: string;
  what: string;
  form: Record<string, string>;
  /** 0: no answer at all. */
  status: number;
}

export interface Rule {
  method?: string;
  /** Only a request whose parameters hold this text. */
  holding?: string;
  status?: number;
  body?: string | object;
  headers?: Record<string, string>;
  /** Do the work, then close the socket without an answer. */
  cutAfterEffect?: boolean;
  /** Do the work, then leave the caller waiting. */
  hangAfterEffect?: boolean;
  hang?: boolean;
  delayMs?: number;
  /** Begin only when this has settled. */
  until?: Promise<unknown>;
  times?: number;
}

export interface DocumentMisbehave {
  /** The module is not installed. */
  moduleOff: boolean;
  /** How many documents the tariff allows. */
  limit: number | null;
  numberFails: boolean;
  /** How long after a document its PDF is there; the docx has its own delay, none in life. */
  pdfDelayMs: number;
  docxDelayMs: number;
  /** The converter fails: no PDF ever. */
  transformationError: boolean;
}

/** What a page of the application said to the portal by postMessage. */
export interface FrameMessage {
  sid: string;
  page: 'tab' | 'robot' | 'application';
  command: string;
  params: Fields;
  /** Whether this page has the command; without it there is silence. */
  known: boolean;
}

export interface Misbehave {
  documents: DocumentMisbehave;
  frames: {
    /** Every message is met by silence. */
    silent: boolean;
    /** The portal cannot refresh: it shows a box and never answers. */
    refreshFails: boolean;
  };
  next(rule: Rule): void;
  doubleCalls: boolean;
  dropCalls: boolean;
  withoutTokens: boolean;
  refuseInBatch: Set<string>;
  /** userfieldconfig.add takes only names that begin with the whole entity: `UF_CRM_DEAL_…` for `CRM_DEAL`. */
  wholeFieldNames: boolean;
  lockedSteps: number;
  /** The address answers the vendor's HTML page for a removed portal. */
  portalDeleted: boolean;
  /** Seconds of operating time used, by method; 420 and more is 429. */
  operating: Map<string, number>;
  /** Seconds of operating time that each call of a method takes from its ten minutes. */
  operatingCost: Map<string, number>;
  /** Methods that are refused, alone and in a batch; `batch` itself too. */
  refused: Map<string, { status?: number; error: string; description?: string }>;
  /** Every method that would change something is refused and counted; a step's proof and its answer are not meant. */
  refuseWrites: boolean;
  refusedWrites: number;
  /** crm.address.list says 50 for every longer list and names no next page. */
  addressTotalStuck: boolean;
  expireAccessTokens(): void;
  killRefreshTokens(): void;
  renameTo(newUrl?: string): Promise<string>;
  missingMethods: Set<string>;
  /** Tokens already issued keep their scope until they are refreshed. */
  removeScopes(...scopes: string[]): void;
  reset(): void;
}

export interface Notice {
  id: number;
  userId: number;
  message: string;
  tag: string;
}

export interface TimelineEntry {
  id: number;
  kind: 'comment' | 'log';
  comment: string;
  title: string;
  authorId: number;
  files: string[];
}

export interface Activity {
  id: number;
  ownerTypeId: number;
  ownerId: number;
  fields: Fields;
  layout: Fields;
  updates: number;
  /** client_id of the application that made it: only that one may update it. */
  application: string;
}
