import type { CounterpartyResult } from './directum.ts';

/** Our own record of which counterparty belongs to which CRM company or contact of one portal. */
export interface CounterpartyLinksPort {
  /** `crmKey` is `COMPANY_44` or `CONTACT_8`, with `:7` for its requisites 7. */
  find(crmKey: string): Promise<{ id: number; type: CounterpartyResult['type'] } | null>;
  bind(crmKey: string, counterparty: { id: number; type: CounterpartyResult['type'] }): Promise<void>;
  release(crmKey: string): Promise<void>;
  /** Some other counterparties of the type that any link names. */
  others(type: CounterpartyResult['type'], except: number, limit: number): Promise<number[]>;
  /** Key written to a counterparty's ExternalId: `b24:{portal}:{COMPANY_44}`. */
  externalId(crmKey: string): string;
}
