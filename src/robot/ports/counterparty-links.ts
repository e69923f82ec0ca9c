import type { CounterpartyResult } from './directum.ts';

/** Our own record of which counterparty belongs to which CRM company or contact of one portal. */
export interface CounterpartyLinksPort {
  /** `crmKey` is `COMPANY_44` or `CONTACT_8`, with `:7` for its requisites 7. */
  find(crmKey: string): Promise<{ id: number; type: CounterpartyResult['type'] } | null>;
  /** `made`: Directum shows it as one of our own making; it counts as made by this run if the run was about to make one. */
  bind(
    crmKey: string,
    counterparty: { id: number; type: CounterpartyResult['type']; made?: boolean },
  ): Promise<void>;
  /** Remembers that this run is about to make the counterparty of a CRM record; `bind` makes it a line of the journal. */
  making(crmKey: string): Promise<void>;
  /** Remembers that this run is about to write these properties of a counterparty. */
  changing(id: number, properties: string[]): Promise<void>;
  /** They are written: what this run was about to write becomes a line of the journal. */
  changed(id: number): Promise<void>;
  release(crmKey: string): Promise<void>;
  /** Some other counterparties of the type that any link names. */
  others(type: CounterpartyResult['type'], except: number, limit: number): Promise<number[]>;
  /** Key written to a counterparty's ExternalId: `b24:{portal}:{COMPANY_44}`. */
  externalId(crmKey: string): string;
}
