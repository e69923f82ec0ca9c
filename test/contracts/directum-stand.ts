import { randomBytes } from 'node:crypto';
import { startDirectum } from '../sandbox/directum/directum.ts';
import { readStand } from './environment.ts';
import { Traces } from './traces.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are read here
export type Json = Record<string, any>;

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  /** The body as JSON, or undefined. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are read here
  json: any;
}

export interface Ask {
  verb?: string;
  body?: unknown;
  /** Sent as they are; a body that is a buffer goes as octets. */
  headers?: Record<string, string>;
  /** Other credentials than the service account's; an empty map for none. */
  auth?: Record<string, string>;
}

export interface DirectumStand {
  /** Path below `…/odata/` (or an absolute path of the host), already encoded. */
  ask(path: string, options?: Ask): Promise<Answer>;
  login: string;
  password: string;
  /** References every contract of the suite gets, as the integrator chose them. */
  contract: Json;
  hasTokens: boolean;
  /** A register in which the suite may number acts; null leaves those cases out. */
  register: number | null;
  traces: Traces;
  close(): Promise<void>;
}

export const mark = (): string => randomBytes(6).toString('hex');
export const basic = (login: string, password: string): string =>
  `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`;
/** A literal of $filter: quoted, quotes doubled. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const query = (options: Record<string, string>): string =>
  `?${Object.entries(options)
    .map(([name, value]) => `$${name}=${encodeURIComponent(value)}`)
    .join('&')}`;

/** An id no stand has reached; it fits the Int32 ids of old versions. */
export const NOWHERE = 2_147_483_000;

/** Remembers an entity for removal at the end. */
export function trace(rx: DirectumStand, set: string, id: number): void {
  rx.traces.add(`${set}(${id})`, async () => {
    const { status, text } = await rx.ask(`${set}(${id})`, { verb: 'DELETE' });
    if (status !== 204 && status !== 404) throw new Error(`${status} ${refusalText(text)}`);
  });
}

/** Makes an entity and leaves word of how to remove it. */
export async function make(
  rx: DirectumStand,
  set: string,
  body: Json,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await rx.ask(set, { verb: 'POST', body, headers });
  const id = answer.json?.Id;
  if (typeof id === 'number') trace(rx, set, id);
  return answer;
}

/** The words of a refusal, whatever shape it came in (directum.md A.9). */
export function refusalText(body: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return body.trim();
  }
  if (typeof parsed === 'string') return parsed;
  const error = (parsed as Json | null)?.['error'];
  if (typeof error === 'string') return error;
  const message = error?.message;
  return String(message?.value ?? message ?? body);
}

function asker(base: string, own: string) {
  return async (path: string, { verb = 'GET', body, headers = {}, auth }: Ask = {}): Promise<Answer> => {
    const octets = Buffer.isBuffer(body);
    const type = body === undefined ? null : octets ? 'application/octet-stream' : 'application/json';
    const response = await fetch(new URL(path, base), {
      method: verb,
      redirect: 'manual',
      headers: {
        accept: 'application/json',
        ...(type ? { 'content-type': type } : {}),
        ...(auth ?? { authorization: own }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: octets ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString('utf8');
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, bytes, text, json };
  };
}

/** Where an approval task by rule holds its document (directum.md F.2). */
export const MAIN_GROUP = '08e1ef90-521f-41a1-a13f-c6f175007e54';

async function openSandbox(generation: '4.3' | '4.11'): Promise<DirectumStand> {
  const directum = await startDirectum({ generation, login: 'обмен', password: 'пароль: да' });
  const [login, password] = ['обмен', 'пароль: да'];
  const idOf = (set: string) => directum.all(set)[0]?.Id as number;
  // A live stand has work under way, and the suite itself starts none.
  const document = directum.add('IContracts', { Name: 'Договор в работе', DocumentKind: 1 });
  const AttachmentDetails = [{ GroupId: MAIN_GROUP, AttachmentId: document }];
  const Task = directum.add('IApprovalTasks', { Subject: 'Задача', Status: 'InProcess', AttachmentDetails });
  for (const { Id: Performer } of directum.all('IEmployees'))
    directum.add('IApprovalAssignments', {
      ...{ Subject: 'Согласуйте', Status: 'InProcess', Performer, Task, MainTask: Task },
      Texts: [{ Body: 'Прошу', Created: '2026-03-02T09:00:00Z', IsAutoGenerated: false }],
    });
  return {
    ask: asker(directum.url, basic(login, password)),
    login,
    password,
    contract: { DocumentKind: { Id: idOf('IDocumentKinds') }, BusinessUnit: { Id: idOf('IBusinessUnits') } },
    hasTokens: true,
    register: directum.all('IDocumentRegisters').find((one) => one.Name === 'Первичные документы').Id,
    traces: new Traces(),
    close: () => directum.stop(),
  };
}

async function openLive(settings: Exclude<typeof live, null>): Promise<DirectumStand> {
  const login = settings.CONTRACT_DIRECTUM_LOGIN;
  const password = settings.CONTRACT_DIRECTUM_PASSWORD;
  const base = `${settings.CONTRACT_DIRECTUM_URL.replace(/\/+$/, '')}/`;
  const ask = asker(base, basic(login, password));
  const traces = new Traces();
  const find = async (set: string, name: string): Promise<{ Id: number }> => {
    if (/^\d+$/.test(name)) return { Id: Number(name) };
    const { status, json } = await ask(`${set}${query({ filter: `Name eq ${quoted(name)}`, select: 'Id' })}`);
    if (status !== 200 || json.value.length !== 1)
      throw new Error(`contract suite: not exactly one «${name}» in ${set}`);
    return { Id: json.value[0].Id };
  };
  const department = settings.CONTRACT_DIRECTUM_DEPARTMENT;
  const register = settings.CONTRACT_DIRECTUM_REGISTER;
  return {
    ask,
    login,
    password,
    contract: {
      DocumentKind: await find('IDocumentKinds', settings.CONTRACT_DIRECTUM_KIND),
      BusinessUnit: await find('IBusinessUnits', settings.CONTRACT_DIRECTUM_UNIT),
      ...(department ? { Department: await find('IDepartments', department) } : {}),
    },
    hasTokens: settings.CONTRACT_DIRECTUM_AUTH === 'token',
    register: register ? (await find('IDocumentRegisters', register)).Id : null,
    traces,
    close: () => traces.sweep(),
  };
}

const live = readStand(
  [
    'CONTRACT_DIRECTUM_URL',
    'CONTRACT_DIRECTUM_LOGIN',
    'CONTRACT_DIRECTUM_PASSWORD',
    'CONTRACT_DIRECTUM_KIND',
    'CONTRACT_DIRECTUM_UNIT',
  ],
  ['CONTRACT_DIRECTUM_DEPARTMENT', 'CONTRACT_DIRECTUM_AUTH', 'CONTRACT_DIRECTUM_REGISTER'],
);

/** Both generations of the sandbox always, a live Directum RX when the environment names one. */
export const directumStands: { name: string; open: () => Promise<DirectumStand> }[] = [
  { name: 'the sandbox 4.3', open: () => openSandbox('4.3') },
  { name: 'the sandbox 4.11', open: () => openSandbox('4.11') },
  ...(live ? [{ name: 'a live stand', open: () => openLive(live) }] : []),
];
