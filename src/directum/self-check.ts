import { rootCertificates } from 'node:tls';
import { Agent, request } from 'undici';
import { RobotFailure } from '../robot/failure.ts';
import type { DirectumPort } from '../robot/ports/directum.ts';
import { createCatalogue } from './directories/catalogue.ts';
import { createEmployees } from './directories/employees.ts';
import type { DirectumOptions } from './directum.ts';
import { createTransport } from './http/transport.ts';
import { allOf, EVERY_ROW, equals } from './odata/filter.ts';
import { createReader } from './odata/list-reader.ts';
import { type CachePort, createLookupCache } from './odata/lookup-cache.ts';
import { type Capabilities, createMetadata } from './odata/metadata.ts';
import type { Columns } from './odata/query.ts';
import { idOf, isRow, type Row, textOf } from './odata/rows.ts';
import { createSharedReader } from './odata/shared-reader.ts';

/** The package's own account as Directum sees it. */
interface OwnAccount {
  name: string;
  department: string | null;
  businessUnit: string | null;
}

/** Questions an operator has about one Directum; every answer is asked anew. */
export interface SelfCheck {
  /** How far Directum's clock is ahead, in seconds; null when its answer has no date. @throws RobotFailure */
  clockAhead(): Promise<number | null>;
  /** @throws RobotFailure when address, network or account are wrong */
  login(): Promise<void>;
  capabilities(): Promise<Capabilities>;
  /** The active employee of the login; null when the login has none. @throws RobotFailure */
  account(): Promise<OwnAccount | null>;
  /** Whether the account sees any active document kind. @throws RobotFailure */
  seesKinds(): Promise<boolean>;
  /** Whether the account sees any task, any assignment: what it may not read is absent from lists. @throws RobotFailure */
  sees(what: 'Task' | 'Assignment'): Promise<boolean>;
  catalogue: DirectumPort['catalogue'];
  employees: DirectumPort['employees'];
  close(): Promise<void>;
}

const NO_CACHE: CachePort = {
  get: async () => undefined,
  set: async () => undefined,
};

/** Directum without database and cache, so that it can be checked when nothing else works. */
export function createSelfCheck(
  options: Omit<DirectumOptions, 'cache' | 'webUrl'> & {
    timeouts: NonNullable<DirectumOptions['timeouts']>;
  },
): SelfCheck {
  const { login, now, log, timeouts } = options;
  const transport = createTransport(options);
  const reader = createSharedReader(createReader(transport));
  const metadata = createMetadata({ transport, cache: NO_CACHE, cacheKey: 'metadata', now, log });
  const context = { reader, metadata, lookups: createLookupCache(NO_CACHE, '', now) };
  const agent = new Agent({
    allowH2: false,
    connect: {
      timeout: timeouts.connectMs,
      ...(options.ca !== undefined && { ca: [...rootCertificates, options.ca] }),
    },
  });

  const asksFor = (departmentFields: Columns) => ({
    // The form that live installations answer (directum.md A.3).
    filter: allOf(equals('Login/LoginName', login), equals('Status', 'Active')),
    select: ['Id', 'Name'],
    expand: { Department: departmentFields },
  });

  async function employee(): Promise<Row | undefined> {
    const set = (await metadata.capabilities()).need('Employee');
    const unit = { BusinessUnit: { select: ['Id', 'Name'] } };
    try {
      const asked = asksFor({ select: ['Id', 'Name'], expand: unit });
      return (await reader.some(set, asked, 1))[0];
    } catch (error) {
      // Not every installation takes an expand inside an expand (directum.md A.5).
      if (!(error instanceof RobotFailure) || error.code !== 'directum_refused') throw error;
      const row = (await reader.some(set, asksFor({ select: ['Id', 'Name'] }), 1))[0];
      const department = row?.['Department'];
      if (!row || !isRow(department)) return row;
      const departments = (await metadata.capabilities()).need('Department');
      const whole = await reader.one(departments, idOf(department), {
        select: ['Id', 'Name'],
        expand: unit,
      });
      return { ...row, Department: whole };
    }
  }

  return {
    async clockAhead() {
      const asked = now().getTime();
      // Any answer has a date, a refusal too, so no account is needed.
      const answer = await request(options.baseUrl, {
        dispatcher: agent,
        signal: AbortSignal.timeout(timeouts.headersMs),
      });
      await answer.body.dump();
      const between = (asked + now().getTime()) / 2;
      const date = Date.parse(String(answer.headers['date'] ?? ''));
      return Number.isNaN(date) ? null : Math.round((date - between) / 1000);
    },
    async login() {
      const culture = await transport.get('Docflow/GetCurrentCultureName()', { absent: true });
      if (culture === null) await transport.get('');
    },
    capabilities: () => metadata.capabilities(),
    async account() {
      const row = await employee();
      if (!row) return null;
      const department = row['Department'];
      if (!isRow(department)) return { name: nameOf(row), department: null, businessUnit: null };
      const unit = department['BusinessUnit'];
      return {
        name: nameOf(row),
        department: nameOf(department),
        businessUnit: isRow(unit) ? nameOf(unit) : null,
      };
    },
    async seesKinds() {
      const set = (await metadata.capabilities()).need('DocumentKind');
      return (await reader.some(set, { filter: equals('Status', 'Active'), select: ['Id'] }, 1)).length > 0;
    },
    async sees(what) {
      const set = (await metadata.capabilities()).need(what);
      return (await reader.some(set, { filter: EVERY_ROW, select: ['Id'] }, 1)).length > 0;
    },
    catalogue: createCatalogue({ ...context, transport }),
    employees: createEmployees(context),
    async close() {
      await agent.destroy();
      await transport.close();
    },
  };
}

function nameOf(row: Row): string {
  return textOf(row, 'Name') ?? `#${row['Id']}`;
}
