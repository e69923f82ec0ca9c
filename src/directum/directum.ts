import { createHash } from 'node:crypto';
import type { AbsencePort, ChangesPort } from '../documents/ports/changes.ts';
import type { DocumentContextPort } from '../documents/ports/document-context.ts';
import type { CounterpartyLinksPort } from '../robot/ports/counterparty-links.ts';
import type { DirectumPort } from '../robot/ports/directum.ts';
import type { AttemptLocks } from '../robot/ports/locks.ts';
import type { Log } from '../robot/ports/log.ts';
import { createCounterparties } from './counterparties/counterparties.ts';
import { createCandidates } from './counterparties/counterparty-match.ts';
import { createCatalogue } from './directories/catalogue.ts';
import { createEmployees } from './directories/employees.ts';
import { createEmails } from './directories/performer-emails.ts';
import { createDocumentCards } from './documents/document-cards.ts';
import { createDocumentContext } from './documents/document-context.ts';
import { createStates } from './documents/states.ts';
import { createVersions } from './documents/versions.ts';
import { lostRights } from './http/errors.ts';
import { createLinks } from './http/links.ts';
import { createTransport, type Transport, type TransportOptions } from './http/transport.ts';
import { createBulk } from './odata/bulk.ts';
import { createReader } from './odata/list-reader.ts';
import { type CachePort, createLookupCache } from './odata/lookup-cache.ts';
import { type Capabilities, createMetadata } from './odata/metadata.ts';
import { createSharedReader, type SharedReader } from './odata/shared-reader.ts';
import { DOCUMENTS } from './odata/visibility.ts';
import { createApprovals } from './tasks/approvals.ts';
import { createDocumentWork } from './tasks/document-work.ts';

export type { Capabilities } from './odata/metadata.ts';

export interface DirectumOptions {
  /** OData root, with or without the last slash. */
  baseUrl: string;
  webUrl: string;
  login: string;
  password: string;
  auth: 'basic' | 'token';
  /** PEM of a private certificate authority. */
  ca?: string;
  timeouts?: { connectMs: number; headersMs: number; bodyMs: number };
  cache: CachePort;
  now: () => Date;
  log: Log;
  /** Directum answers again after it was down. */
  onBack?: () => void;
  onRequest?: NonNullable<TransportOptions['onRequest']>;
}

/** What Directum shows of watched documents. */
interface Watching {
  /** Bulk questions about what changed. */
  changes: ChangesPort;
  /** Assignments, tasks and dates. */
  documentContext: DocumentContextPort;
  states: ReturnType<typeof createStates>['states'];
}

export interface DirectumService extends Watching {
  /** Directum for an attempt of a portal's run. */
  forPortal(ports: {
    counterpartyLinks: CounterpartyLinksPort;
    locks: AttemptLocks;
    absence: AbsencePort;
    log: Log;
  }): DirectumPort;
  /** The same questions, each request only after `take` allows it: for many questions that are not urgent. */
  atRate(take: () => Promise<void>): Watching;
  /** Cheap check of address and account. @throws RobotFailure */
  ping(): Promise<void>;
  capabilities(): Promise<Capabilities>;
  /** Whether it failed several times in a row and has not answered since. */
  isDown(): boolean;
  /**
   * Whether a run that Directum did not answer may ask it again: not while it is known to be down, except one run every
   * few seconds, which finds out whether it is back.
   */
  admits(): boolean;
  close(): Promise<void>;
}

/** One Directum RX over its integration service (contract/directum.md). Makes no request by itself. */
export function createDirectum(options: DirectumOptions): DirectumService {
  const { cache, now, log } = options;
  const transport = createTransport(options);
  const reader = createSharedReader(createReader(transport));
  const links = createLinks(options.webUrl);
  const base = options.baseUrl.replace(/\/+$/, '').toLowerCase();
  const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
  // What is found depends on the account's rights, so the account is in the key; a lock is on the counterparty itself.
  const prefix = `directum:${digest(`${base}\n${options.login}`)}:`;
  const scope = `directum:${digest(base)}`;
  const metadata = createMetadata({ transport, cache, cacheKey: `${prefix}metadata:2`, now, log });
  const context = { reader, metadata, lookups: createLookupCache(cache, prefix, now) };
  const catalogue = createCatalogue({ ...context, transport });
  const employees = createEmployees(context);
  const findCandidates = createCandidates(context);
  const emails = createEmails(metadata);
  function watchBy(reader: SharedReader): Watching {
    const bulk = createBulk({ reader, metadata });
    return {
      ...createStates({ transport, reader, metadata, links, bulk }),
      documentContext: createDocumentContext({ bulk, metadata, links, emailsOf: emails(bulk) }),
    };
  }
  const watching = watchBy(reader);

  /** The document of a run; when it is not shown, it must first be known whether it is deleted or only hidden. */
  async function readProven(documentId: number, absence: AbsencePort) {
    const state = await watching.states.read(documentId);
    if (state !== null || !(await metadata.capabilities()).isId(documentId)) return state;
    const seen = await absence.ofDocument(documentId);
    if (seen === 'gone') return null;
    const again = seen === 'shown' ? await watching.states.read(documentId) : null;
    if (again === null) throw lostRights(DOCUMENTS);
    return again;
  }

  return {
    forPortal: (ports) => {
      const writing = { ...context, ...ports, transport: guarded(transport, ports.locks), links };
      return {
        catalogue,
        employees,
        counterparties: createCounterparties({
          ...writing,
          lockScope: `${scope}:counterparty`,
          findCandidates,
        }),
        documents: createDocumentCards(writing),
        versions: createVersions(writing),
        approvals: createApprovals({
          ...writing,
          lockScope: `${scope}:approval`,
          login: options.login,
        }),
        states: {
          ...watching.states,
          work: createDocumentWork(watching.documentContext),
          read: (documentId) => readProven(documentId, ports.absence),
        },
      };
    },
    ...watching,
    atRate(take) {
      const get: Transport['get'] = async (path, how) => {
        await take();
        return transport.get(path, how);
      };
      return watchBy(createSharedReader(createReader({ ...transport, get })));
    },
    async ping() {
      // Since 4.2 (directum.md A.3); an older installation, or one without it, still has the service document.
      const culture = await transport.get('Docflow/GetCurrentCultureName()', { absent: true });
      if (culture === null) await transport.get('');
    },
    capabilities: () => metadata.capabilities(),
    isDown: transport.isDown,
    admits: transport.admits,
    close: () => transport.close(),
  };
}

/**
 * A process may freeze between a look-up and the write that follows from it, while another process takes over its run.
 * So before each write it is checked that the run is still ours. A process that froze during the write itself learns it
 * right after; what it made is later found by its key.
 */
function guarded(transport: Transport, { check }: Pick<AttemptLocks, 'check'>): Transport {
  return {
    ...transport,
    async send(...request) {
      check();
      const answer = await transport.send(...request);
      check();
      return answer;
    },
    async upload(...request) {
      check();
      return transport.upload(...request);
    },
  };
}
