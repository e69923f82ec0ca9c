import type {
  CachePort,
  ClaimsPort,
  CounterpartyResult,
  DirectumPort,
  Log,
  PairsPort,
} from '../robot/ports.ts';
import { createCatalogue } from './catalogue.ts';
import { createContracts } from './contracts.ts';
import { createCounterparties } from './counterparties.ts';
import { createEmployees } from './employees.ts';
import { parseExtraFields } from './extra-fields.ts';
import { createLinks } from './links.ts';
import { type Capabilities, createMetadata } from './metadata.ts';
import { createTransport, type TransportOptions } from './transport.ts';
import { createVersions } from './versions.ts';

export interface DirectumOptions extends TransportOptions {
  webUrl: string;
  cache: CachePort;
}

export interface DirectumService {
  /** Directum for the runs of one portal. */
  forPortal(ports: { pairs: PairsPort; claims: ClaimsPort; log: Log }): DirectumPort;
  /** Cheapest question there is (directum.md A.3). @throws RobotFailure */
  ping(): Promise<void>;
  capabilities(): Promise<Capabilities>;
  documentUrl(id: number): string;
  counterpartyUrl(id: number, type: CounterpartyResult['type']): string;
  close(): Promise<void>;
}

/** Directum RX behind one service account (directum.md A). */
export function createDirectum(options: DirectumOptions): DirectumService {
  const { cache, baseUrl } = options;
  const transport = createTransport(options);
  const metadata = createMetadata(transport, cache, baseUrl);
  const capabilities = () => metadata.get(options.now());
  const links = createLinks(options.webUrl);
  const contracts = createContracts({ transport, capabilities, links });
  const catalogue = createCatalogue(transport, cache, baseUrl);
  const employees = createEmployees(transport, cache, baseUrl);
  const versions = createVersions(transport, cache, baseUrl);
  return {
    forPortal: ({ pairs, claims }) => ({
      catalogue,
      employees,
      versions,
      counterparties: createCounterparties({ transport, capabilities, links, pairs, claims }),
      contracts: {
        ...contracts,
        parseExtra: async (lines, label) =>
          parseExtraFields(lines, (await capabilities()).types['Contract'] ?? {}, label),
      },
    }),
    async ping() {
      await transport.one('Docflow/GetCurrentCultureName()');
    },
    capabilities,
    documentUrl: links.contract,
    counterpartyUrl: links.counterparty,
    close: () => transport.close(),
  };
}
