import type { LocalText } from '../robot/failure.ts';
import type { ItemRef, Log } from '../robot/ports.ts';
import type { DueMessage, DueTelling, SettledTelling, Tellings } from '../store/tellings.ts';
import { toDigest, toMessage } from './notices.ts';
import type { DealPort, ReachablePortals, TriggerCode, WriteResult } from './ports.ts';
import { isTooOld, REFUSED_TRIGGER_MS, resultsOf, toNextTry } from './sending.ts';

export interface TellPorts {
  tellings: Tellings;
  portals: ReachablePortals;
  /** The item of a code such as `DEAL_915`; null for a code that is none. */
  toItem(code: string): ItemRef | null;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  now: () => Date;
  log: Log;
}

/** A trigger runs inside its request, up to a dozen seconds each (bitrix24.md F9): few go together. */
const TRIGGERS = 8;
const NOTICES = 50;
/** How long what was taken is left to its process: slow triggers need a minute or two. */
const LEASE_MS = 180_000;

interface Unaddressed {
  telling: DueTelling;
  email: string | null;
  text: LocalText;
}

/** Tells portals what the ledger holds: triggers, then notices. One step; true while there may be more. */
export async function tell(ports: TellPorts): Promise<boolean> {
  const { tellings, now } = ports;
  const keys = ports.portals.keys();
  const triggers = await tellings.takeTriggers(keys, now(), LEASE_MS, TRIGGERS);
  await forEachPortal(triggers, (deals, of) => fire(deals, of, ports), ports);
  const unaddressed = await tellings.takeUnaddressed(keys, now(), LEASE_MS, NOTICES);
  await forEachPortal(unaddressed, (deals, of) => address(deals, of, ports), ports);
  const messages = await tellings.takeMessages(keys, now(), LEASE_MS, NOTICES);
  await forEachPortal(messages, (deals, of) => send(deals, of, ports), ports);
  return triggers.length + unaddressed.length + messages.length > 0;
}

/** Portals do not wait for one another. */
async function forEachPortal<T extends { portal: string }>(
  rows: T[],
  work: (deals: DealPort, rows: T[]) => Promise<void>,
  { portals }: TellPorts,
): Promise<void> {
  const groups = [...Map.groupBy(rows, (row) => row.portal)];
  await Promise.all(groups.map(async ([portal, of]) => work(portals.deals(portal), of)));
}

async function fire(deals: DealPort, due: DueTelling[], ports: TellPorts): Promise<void> {
  const known = due.flatMap((telling) => {
    const item = ports.toItem(telling.itemCode);
    return item ? [{ telling, trigger: { code: telling.code as TriggerCode, item } }] : [];
  });
  const results = await resultsOf(
    known.length,
    () => deals.fireTriggers(known.map(({ trigger }) => trigger)),
    failed('triggers.failed', ports),
  );
  const fired = known.map(({ telling }, at) => {
    const result = results[at] as WriteResult;
    const after = settled(telling, result, ports);
    const mendable = after.state === 'refused' && !isTooOld(telling.createdAt, ports.now());
    if (!mendable) return after;
    const dueAt = new Date(ports.now().getTime() + REFUSED_TRIGGER_MS);
    return { ...after, state: 'due' as const, dueAt };
  });
  const lost = due.filter((telling) => !known.some((one) => one.telling === telling));
  await ports.tellings.settle(
    [...fired, ...lost.map((telling) => over(telling, 'no item', ports))],
    ports.now(),
  );
}

/** Finds whom to tell, and writes the message with the deal's title and link. */
async function address(deals: DealPort, due: DueTelling[], ports: TellPorts): Promise<void> {
  const { tellings, now, seal } = ports;
  const open: Unaddressed[] = [];
  const nobody: SettledTelling[] = [];
  for (const telling of due) {
    const payload = openPayload<Pick<Unaddressed, 'email' | 'text'>>(telling, ports);
    if (payload === null) nobody.push(notOpened(telling, ports));
    else open.push({ telling, email: payload.email, text: payload.text });
  }
  const refs = new Map(
    open.flatMap(({ telling: { itemCode } }) => {
      const ref = ports.toItem(itemCode);
      return ref ? [[itemCode, ref] as const] : [];
    }),
  );
  const emails = [...new Set(open.flatMap(({ email }) => (email === null ? [] : [email])))];
  let items: Awaited<ReturnType<DealPort['items']>>;
  let users: Map<string, number>;
  try {
    items = refs.size === 0 ? [] : await deals.items([...refs.values()]);
    users = emails.length === 0 ? new Map() : await deals.usersByEmail(emails);
  } catch (error) {
    failed('notices.not_addressed', ports)(error);
    const again = open.map(({ telling }) => settled(telling, { ok: false, why: 'retry' }, ports));
    await tellings.settle([...nobody, ...again], now());
    return;
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  const addressed: { id: string; userId: number; payload: string }[] = [];
  for (const { telling, email, text } of open) {
    const item = byCode.get(telling.itemCode);
    // A performer whom the portal does not know works in Directum alone; the deal's person cannot decide instead.
    const userId = email === null ? item?.responsibleUserId : byEmail.get(email.toLowerCase());
    if (!item || userId == null) nobody.push(over(telling, item ? 'no such user' : 'no item', ports));
    else {
      const message = toMessage(text, item, deals.language());
      addressed.push({ id: telling.id, userId, payload: seal.encrypt(JSON.stringify({ message })) });
    }
  }
  await tellings.settle(nobody, now());
  if (addressed.length > 0) await tellings.address(addressed, now());
}

async function send(deals: DealPort, due: DueMessage[], ports: TellPorts): Promise<void> {
  const closed: SettledTelling[] = [];
  const open = due.flatMap(({ userId, message, notices }) => {
    const known = notices.flatMap((telling) => {
      const payload = openPayload<{ message: string }>(telling, ports);
      if (payload === null) closed.push(notOpened(telling, ports));
      return payload === null ? [] : [{ telling, text: payload.message }];
    });
    const [first] = known;
    if (first === undefined) return [];
    const { telling, text } = first;
    const written =
      notices.length === 1
        ? { userId, text, tag: `directum:${telling.documentId}:${telling.code}:${telling.key}` }
        : {
            userId,
            text: toDigest(
              known.map((one) => one.text),
              deals.language(),
            ),
            tag: `directum:${message}`,
          };
    return [{ written, notices: known.map((one) => one.telling) }];
  });
  const results = await resultsOf(
    open.length,
    () => deals.notify(open.map(({ written }) => written)),
    failed('notices.failed', ports),
  );
  const all = open.flatMap(({ notices }, at) =>
    notices.map((telling) => settled(telling, results[at] as WriteResult, ports)),
  );
  await ports.tellings.settle([...closed, ...all], ports.now());
}

/** Null when it cannot be opened: it must not hold up the others. */
function openPayload<T>(telling: DueTelling, { seal, log }: TellPorts): T | null {
  try {
    return JSON.parse(seal.decrypt(telling.payload as string)) as T;
  } catch (error) {
    log.error('telling.not_opened', { ...factsOf(telling), error });
    return null;
  }
}

const notOpened = (telling: DueTelling, { now }: TellPorts): SettledTelling => ({
  id: telling.id,
  state: 'refused',
  dueAt: now(),
  error: 'its key is not in SECRET_KEYS any more',
});

function settled(telling: DueTelling, result: WriteResult, ports: TellPorts): SettledTelling {
  const now = ports.now();
  if (result.ok) {
    ports.log.info('telling.sent', factsOf(telling));
    return { id: telling.id, state: 'sent', dueAt: now, error: null };
  }
  if (result.why === 'gone') return over(telling, 'gone', ports);
  if (result.why === 'retry' && !isTooOld(telling.createdAt, now))
    return { id: telling.id, state: 'due', dueAt: toNextTry(telling.attempts, now), error: 'retry' };
  ports.log.error('telling.refused', { ...factsOf(telling), why: result.why });
  return { id: telling.id, state: 'refused', dueAt: now, error: result.why };
}

/** There is nobody or nothing to tell. */
function over(telling: DueTelling, why: string, ports: TellPorts): SettledTelling {
  ports.log.info('telling.gone', { ...factsOf(telling), why });
  return { id: telling.id, state: 'gone', dueAt: ports.now(), error: why };
}

function factsOf({ itemCode, documentId, code }: DueTelling) {
  return { item: itemCode, documentId, code };
}

function failed(event: string, { log }: TellPorts) {
  return (error: unknown) => log.warn(event, { error });
}
