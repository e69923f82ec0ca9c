import { randomBytes } from 'node:crypto';
import { startPortal } from '../sandbox/portal/portal.ts';
import { readStand } from './environment.ts';
import { Traces } from './traces.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are read here
export type Json = Record<string, any>;
export type Reply = Json & { status: number };

export interface PortalStand {
  /** One REST call with the administrator's token in the body; pass another token, or '' for none. */
  call(method: string, params?: object, token?: string): Promise<Reply>;
  /** The same call with the token in the header. */
  bearer(method: string, params?: object): Promise<Reply>;
  /** An access token past its hour; null where none was given. */
  expiredToken(): Promise<string | null>;
  /** `bizproc.robot.list` through an incoming webhook; only the sandbox has one to spare. */
  webhook: (() => Promise<Reply>) | null;
  makeCompany(): Promise<number>;
  makeDeal(fields: Json): Promise<number>;
  makeRequisite(companyId: number, fields: Json): Promise<number>;
  linkRequisite(dealId: number, requisiteId: number): Promise<void>;
  /** A text field of deals whose name has letters only. */
  makeDealField(): Promise<string>;
  traces: Traces;
  close(): Promise<void>;
}

export const DEAL = 2;
export const COMPANY = 4;
const LINK_EMPTY = { BANK_DETAIL_ID: 0, MC_REQUISITE_ID: 0, MC_BANK_DETAIL_ID: 0 };
const BUCKET_PAUSE_MS = 2000;
const BUCKET_TRIES = 10;

/** Letters and digits nobody else uses, to know our own things by. */
export const mark = (): string => randomBytes(6).toString('hex');
const fieldName = (): string =>
  `UF_CRM_DRX${[...randomBytes(8)].map((byte) => String.fromCharCode(65 + (byte % 26))).join('')}`;

async function post(
  origin: string,
  method: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Reply> {
  for (let left = BUCKET_TRIES; ; left--) {
    const response = await fetch(`${origin}/rest/${method}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    let answer: Json;
    try {
      answer = JSON.parse(text) as Json;
    } catch {
      throw new Error(`${method}: HTTP ${response.status}, no JSON: ${text.slice(0, 120)}`);
    }
    if (answer['error'] !== 'QUERY_LIMIT_EXCEEDED' || left === 0)
      return { ...answer, status: response.status };
    await new Promise((done) => setTimeout(done, BUCKET_PAUSE_MS));
  }
}

const caller = (origin: string, own: string) => ({
  call: (method: string, params: object = {}, token = own) =>
    post(origin, method, token === '' ? params : { ...params, auth: token }),
  bearer: (method: string, params: object = {}) =>
    post(origin, method, params, { authorization: `Bearer ${own}` }),
});

async function openSandbox(): Promise<PortalStand> {
  let late = 0;
  const portal = await startPortal({
    clientId: 'local.contract',
    clientSecret: 'secret',
    rate: { perSecond: 1000, bucket: 1000 },
    now: () => new Date(Date.now() + late),
  });
  const own = portal.tokens().accessToken;
  const traces = new Traces();
  return {
    ...caller(portal.url, own),
    async expiredToken() {
      late = -7_200_000;
      const { accessToken } = portal.tokens();
      late = 0;
      return accessToken;
    },
    async webhook() {
      const response = await fetch(`${portal.addWebhook()}bizproc.robot.list`, { method: 'POST' });
      return { ...((await response.json()) as Json), status: response.status };
    },
    makeCompany: async () => portal.addCompany({ title: 'ООО «Контракт»' }),
    makeDeal: async (fields) => portal.addItem(DEAL, fields),
    makeRequisite: async (companyId, fields) =>
      portal.addRequisite({ ENTITY_TYPE_ID: COMPANY, ENTITY_ID: companyId, ...fields }),
    linkRequisite: async (dealId, requisiteId) =>
      portal.setRequisiteLink(DEAL, dealId, { ...LINK_EMPTY, REQUISITE_ID: requisiteId }),
    async makeDealField() {
      const name = fieldName();
      portal.addUserField('CRM_DEAL', name, 'string');
      return name;
    },
    traces,
    async close() {
      await traces.sweep();
      await portal.stop();
    },
  };
}

async function openLive(settings: {
  CONTRACT_PORTAL_URL: string;
  CONTRACT_PORTAL_TOKEN: string;
  CONTRACT_PORTAL_EXPIRED_TOKEN?: string;
}): Promise<PortalStand> {
  const talk = caller(new URL(settings.CONTRACT_PORTAL_URL).origin, settings.CONTRACT_PORTAL_TOKEN);
  const traces = new Traces();
  const must = async (method: string, params: object): Promise<Json> => {
    const reply = await talk.call(method, params);
    if ('error' in reply)
      throw new Error(`${method}: ${reply['error']} ${reply['error_description'] ?? ''}`.trim());
    return reply;
  };
  const makeItem = async (entityTypeId: number, fields: Json): Promise<number> => {
    const made = await must('crm.item.add', { entityTypeId, fields });
    const id = Number(made['result'].item.id);
    traces.add(`item ${entityTypeId}:${id}`, () => must('crm.item.delete', { entityTypeId, id }));
    return id;
  };
  return {
    ...talk,
    expiredToken: async () => settings.CONTRACT_PORTAL_EXPIRED_TOKEN ?? null,
    webhook: null,
    makeCompany: () => makeItem(COMPANY, { title: `Contract suite ${mark()}`, opened: 'N' }),
    makeDeal: (fields) => makeItem(DEAL, { ...fields, opened: 'N' }),
    async makeRequisite(companyId, fields) {
      const presets = await must('crm.requisite.preset.list', { order: { ID: 'ASC' }, select: ['ID'] });
      const made = await must('crm.requisite.add', {
        fields: {
          ENTITY_TYPE_ID: COMPANY,
          ENTITY_ID: companyId,
          PRESET_ID: presets['result'][0].ID,
          ACTIVE: 'Y',
          NAME: 'Contract suite',
          ...fields,
        },
      });
      const id = Number(made['result']);
      traces.add(`requisite ${id}`, () => must('crm.requisite.delete', { id }));
      return id;
    },
    async linkRequisite(dealId, requisiteId) {
      const link = { ENTITY_TYPE_ID: DEAL, ENTITY_ID: dealId, REQUISITE_ID: requisiteId, ...LINK_EMPTY };
      await must('crm.requisite.link.register', { fields: link });
      traces.add(`requisite link of deal ${dealId}`, () =>
        must('crm.requisite.link.unregister', { entityTypeId: DEAL, entityId: dealId }),
      );
    },
    async makeDealField() {
      const name = fieldName();
      const fields = { FIELD_NAME: name, USER_TYPE_ID: 'string', LABEL: 'Contract suite' };
      const made = await must('crm.deal.userfield.add', { fields });
      traces.add(`deal field ${name}`, () => must('crm.deal.userfield.delete', { id: made['result'] }));
      return name;
    },
    traces,
    close: () => traces.sweep(),
  };
}

const live = readStand(['CONTRACT_PORTAL_URL', 'CONTRACT_PORTAL_TOKEN'], ['CONTRACT_PORTAL_EXPIRED_TOKEN']);

/** The sandbox always, a live portal when the environment names one. */
export const portalStands: { name: string; open: () => Promise<PortalStand> }[] = [
  { name: 'the sandbox', open: openSandbox },
  ...(live ? [{ name: 'a live portal', open: () => openLive(live) }] : []),
];
