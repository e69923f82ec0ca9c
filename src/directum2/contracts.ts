import { RobotFailure } from '../robot/failure.ts';
import type { Contract, ContractDraft } from '../robot/ports.ts';
import type { Links } from './links.ts';
import type { Capabilities } from './metadata.ts';
import { literal, toQuery } from './query.ts';
import { isRecord } from './refusal.ts';
import type { Transport } from './transport.ts';

const SELECT = [
  'Id',
  'Name',
  'RegistrationNumber',
  'ExternalId',
  'LifeCycleState',
  'InternalApprovalState',
  'HasVersions',
];

export interface ContractPorts {
  transport: Transport;
  capabilities(): Promise<Capabilities>;
  links: Links;
}

/** Contract cards (directum.md B.4, B.5, J.1, J.2). */
export function createContracts({ transport, capabilities, links }: ContractPorts) {
  async function select(): Promise<string[]> {
    const names = (await capabilities()).types['Contract'] ?? {};
    return SELECT.filter((name) => name in names);
  }
  const expand = 'Counterparty($select=Id)';

  async function toContract(row: Record<string, unknown>): Promise<Contract> {
    const text = (name: string) => (typeof row[name] === 'string' ? row[name] : null);
    const counterparty = isRecord(row['Counterparty']) ? Number(row['Counterparty']['Id']) : null;
    const id = Number(row['Id']);
    return {
      id,
      name: text('Name') ?? '',
      url: links.contract(id),
      registrationNumber: text('RegistrationNumber'),
      counterparty:
        counterparty === null ? null : { id: counterparty, url: links.counterparty(counterparty, 'company') },
      externalId: text('ExternalId'),
      lifeCycleState: text('LifeCycleState'),
      internalApprovalState: text('InternalApprovalState'),
      hasVersions: row['HasVersions'] === true,
    };
  }

  async function byId(id: number): Promise<Contract | null> {
    const row = await transport.one(`IContracts(${id})${toQuery({ select: await select(), expand })}`);
    return row && toContract(row);
  }

  async function byExternalId(externalId: string): Promise<Contract | null> {
    const filter = `ExternalId eq ${literal(externalId)}`;
    const rows = await transport.rows(
      `IContracts${toQuery({ filter, select: await select(), expand, orderBy: 'Id', top: 1 })}`,
    );
    return rows[0] ? toContract(rows[0]) : null;
  }

  /** A lost answer may hide a made card: it is looked for by its key before the failure is told (directum.md J.6). */
  async function create(externalId: string, draft: ContractDraft): Promise<Contract> {
    const name = [...draft.subject].slice(0, 250).join('');
    const body = { ...toBody(draft), Name: name, ExternalId: externalId };
    let made: Record<string, unknown> | null;
    try {
      made = await transport.write('POST', 'IContracts', body);
    } catch (error) {
      if (!(error instanceof RobotFailure && error.code === 'directum_unavailable')) throw error;
      const found = await byExternalId(externalId);
      if (found) return found;
      throw error;
    }
    if (made && Number.isSafeInteger(made['Id'])) {
      const contract = await toContract(made);
      return {
        ...contract,
        counterparty: { id: draft.counterpartyId, url: links.counterparty(draft.counterpartyId, 'company') },
      };
    }
    const found = await byExternalId(externalId);
    if (!found) throw new Error('Directum made a contract and does not show it');
    return found;
  }

  async function update(
    id: number,
    draft: ContractDraft,
  ): Promise<{ contract: Contract; changedFields: string[] }> {
    const body = toBody(draft);
    const refs = Object.entries(body)
      .filter(([, value]) => isRecord(value))
      .map(([name]) => name);
    const simple = Object.keys(body).filter((name) => !refs.includes(name));
    const current = await transport.one(
      `IContracts(${id})${toQuery({ select: ['Id', ...simple], expand: refs.map((name) => `${name}($select=Id)`).join(',') })}`,
    );
    const changes = Object.fromEntries(
      Object.entries(body).filter(([name, value]) => !same(current?.[name], value)),
    );
    const changedFields = Object.keys(changes);
    if (changedFields.length > 0) await transport.write('PATCH', `IContracts(${id})`, changes);
    const contract = await byId(id);
    if (!contract) throw new RobotFailure('document_not_found', gone(id));
    return { contract, changedFields };
  }

  async function adopt(id: number, externalId: string): Promise<void> {
    const contract = await byId(id);
    if (contract && !contract.externalId)
      await transport.write('PATCH', `IContracts(${id})`, { ExternalId: externalId });
  }

  return { byId, byExternalId, create, update, adopt };
}

function gone(id: number) {
  return {
    ru: `Договора ${id} больше нет в Directum. Запустите робота ещё раз.`,
    en: `Contract ${id} is no longer in Directum. Run the robot again.`,
  };
}

function toBody(draft: ContractDraft): Record<string, unknown> {
  const ref = (id: number | undefined) => (id === undefined ? undefined : { Id: id });
  const day = (date: string | undefined) => (date === undefined ? undefined : `${date}T00:00:00Z`);
  const body = {
    DocumentKind: ref(draft.documentKindId),
    Subject: draft.subject,
    Counterparty: ref(draft.counterpartyId),
    DocumentGroup: ref(draft.categoryId),
    BusinessUnit: ref(draft.businessUnitId),
    Department: ref(draft.departmentId),
    ResponsibleEmployee: ref(draft.responsibleId),
    OurSignatory: ref(draft.ourSignatoryId),
    TotalAmount: draft.amount === undefined ? undefined : Math.round(draft.amount * 100) / 100,
    Currency: ref(draft.currencyId),
    VatRate: ref(draft.vatRateId),
    ValidFrom: day(draft.validFrom),
    ValidTill: day(draft.validTill),
    Note: draft.note === undefined ? undefined : [...draft.note].slice(0, 1000).join(''),
    ...draft.extra,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** Compares a card's value with the one to write; days by their first ten characters (directum.md A.11). */
function same(current: unknown, wanted: unknown): boolean {
  if (isRecord(wanted)) return isRecord(current) && current['Id'] === wanted['Id'];
  if (typeof wanted === 'string' && typeof current === 'string' && wanted.endsWith('T00:00:00Z'))
    return current.slice(0, 10) === wanted.slice(0, 10);
  if (typeof wanted === 'number' && typeof current === 'number') return Math.abs(wanted - current) < 0.005;
  if (typeof wanted === 'string' && typeof current === 'string')
    return wanted.replace(/\r\n/g, '\n') === current.replace(/\r\n/g, '\n');
  return (current ?? null) === wanted;
}
