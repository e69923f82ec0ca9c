import { cut, toCode } from '../../lib/text.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { parseTokens, type TokenPair } from '../auth/tokens.ts';
import { isRecord, toText } from '../rest/values.ts';

/** A robot call that cannot be understood (bitrix24.md C1); `field` is the name on the wire. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** One call of a placed robot. Address fields of `auth` are not kept: only the stored address is used. */
export interface RobotCall {
  code: string;
  memberId: string;
  applicationToken: string | null;
  documentId: [string, string, string];
  workflowId: string;
  eventToken: string;
  properties: Record<string, string | string[]>;
  useSubscription: boolean;
  timeoutSeconds: number;
  tokens: TokenPair | null;
}

/** No name of the portal is longer (bitrix24.md B1, B3); longer ones would not fit into an index. */
const MAX_ID = 255;
/** `N` of a form, and what JSON makes of it. */
const NO: readonly (string | undefined)[] = ['N', '0', 'FALSE'];

/** Reads a robot call that a form or JSON parser has taken apart (bitrix24.md C1-C4). @throws CallError */
export function parseRobotCall(body: unknown): RobotCall {
  if (!isRecord(body)) throw new CallError('body', 'The body is not a form');
  const auth = isRecord(body['auth']) ? body['auth'] : {};
  const documentId = toList(body['document_id']);
  const [module, entity, id] = documentId ?? [];
  if (documentId?.length !== 3 || !module || !entity || !id || isBlank(id) || id.length > MAX_ID) {
    throw new CallError('document_id', 'document_id is not a list of three texts');
  }
  const timeout = Number(toText(body['timeout_duration']) ?? 0);
  const subscription = toText(body['use_subscription'])?.trim().toUpperCase();
  return {
    code: required(body, 'code', 128),
    // A call that names no portal is well-formed: it is answered as forbidden, not as unreadable (interface.md §2).
    memberId: cut(toText(auth['member_id']) ?? '', MAX_ID),
    applicationToken: toText(auth['application_token']) || null,
    documentId: [module, entity, id],
    workflowId: toText(body['workflow_id']) ?? '',
    eventToken: required(body, 'event_token', 1_000),
    properties: toProperties(body['properties']),
    // Only a plain no means that no answer is awaited: a step left without its answer hangs for ever.
    useSubscription: subscription === undefined || !NO.includes(subscription),
    timeoutSeconds: Number.isFinite(timeout) && timeout > 0 ? Math.floor(timeout) : 0,
    // The call says itself when it was made.
    tokens: parseTokens(auth, new Date((Number(toText(body['ts'])) || 0) * 1_000)),
  };
}

const TYPES: ReadonlyArray<readonly [entity: string, prefix: RegExp, typeId: number]> = [
  ['CCrmDocumentLead', /^LEAD$/, 1],
  ['CCrmDocumentDeal', /^DEAL$/, 2],
  ['CCrmDocumentContact', /^CONTACT$/, 3],
  ['CCrmDocumentCompany', /^COMPANY$/, 4],
  ['Bitrix\\Crm\\Integration\\BizProc\\Document\\Quote', /^QUOTE$/, 7],
  ['Bitrix\\Crm\\Integration\\BizProc\\Document\\SmartInvoice', /^SMART_INVOICE$/, 31],
  ['Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic', /^DYNAMIC_\d+$/, 0],
];

/** The CRM item of a call, or null when robots do not work on such documents (bitrix24.md B3). */
export function parseItemRef(documentId: readonly [string, string, string]): ItemRef | null {
  const [module, entity, code] = documentId;
  return module === 'crm' ? toItemRef(code, entity) : null;
}

/** The CRM item of a code like `DEAL_915`, of the entity when it is given; null when it is none. */
export function toItemRef(code: string, entity?: string): ItemRef | null {
  const [, prefix, digits] = /^(.+)_(\d{1,15})$/.exec(code) ?? [];
  if (prefix === undefined) return null;
  const known = TYPES.find(
    ([name, pattern]) => (entity === undefined || name === entity) && pattern.test(prefix),
  );
  const id = Number(digits);
  if (known === undefined || id <= 0) return null;
  const typeId = known[2] || Number(prefix.slice('DYNAMIC_'.length));
  if (known[2] === 0 && !isDynamicType(typeId)) return null;
  // Leading zeros would make a second key for the same item.
  return { typeId, id, code: `${known[2] === 0 ? `DYNAMIC_${typeId}` : prefix}_${id}` };
}

function isDynamicType(typeId: number): boolean {
  return (typeId >= 128 && typeId <= 191) || (typeId >= 1030 && typeId % 2 === 0);
}

function toProperties(value: unknown): Record<string, string | string[]> {
  const properties: Record<string, string | string[]> = Object.create(null);
  if (!isRecord(value)) return properties;
  for (const [code, raw] of Object.entries(value)) {
    const read = toText(raw) ?? toList(raw);
    // A field that is not filled in is most of a call's text; for a robot it is as good as absent (interface.md §3).
    if (read !== null && read !== '') properties[code] = read;
  }
  return properties;
}

/** Has no visible character. */
const isBlank = (text: string) => toCode(text) === '';

function required(from: Record<string, unknown>, key: string, max: number): string {
  const value = toText(from[key]);
  if (!value || isBlank(value) || value.length > max)
    throw new CallError(key, `${key} is missing or cannot be read`);
  return value;
}

/** A list, also one that the form parser made an object of: ordered by index, gaps closed (C2, C3). */
function toList(value: unknown): string[] | null {
  let items: unknown[];
  if (Array.isArray(value)) items = value;
  else if (isRecord(value)) {
    const keys = Object.keys(value);
    if (!keys.every((key) => /^\d+$/.test(key))) return null;
    items = keys.sort((a, b) => Number(a) - Number(b)).map((key) => value[key]);
  } else return null;
  return items.map(toText).filter((item) => item !== null);
}

/** The call that came to the address of robot `code`, or why it is none. */
export function readRobotCall(code: string, body: unknown): { call: RobotCall } | { reason: string } {
  let call: RobotCall;
  try {
    call = parseRobotCall(body);
  } catch (error) {
    if (error instanceof CallError) return { reason: error.message };
    throw error;
  }
  return call.code === code ? { call } : { reason: 'code differs from the address' };
}
