import { LEASE_MS } from '../../lib/leases.ts';
import type { LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { Failures } from '../../store/outbox/kept-failures.ts';
import type { DueFact, DueMessage, Outbox, SettledFact } from '../../store/outbox/outbox.ts';
import { toDigest, toMessage } from '../facts/notices.ts';
import type { DealPort, ReachablePortals, WriteResult } from '../ports/deal.ts';
import type { TriggerCode } from '../ports/facts.ts';
import { addressFailures } from './failure-notices.ts';
import { isTooOld, openPayload, over, REFUSED_TRIGGER_MS, resultsOf, settled } from './sending.ts';

export interface TellPorts {
  outbox: Outbox;
  failures: Pick<Failures, 'itemsWith'>;
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

interface Unaddressed {
  telling: DueFact;
  email: string | null;
  text: LocalText;
}

/** Tells portals what the ledger holds: triggers, then notices. One step; true while there may be more. */
export async function tell(ports: TellPorts): Promise<boolean> {
  const { outbox, now } = ports;
  const keys = ports.portals.keys();
  const triggers = await outbox.takeTriggers(keys, now(), LEASE_MS.portal, TRIGGERS);
  await forEachPortal(triggers, (deals, of) => fire(deals, of, ports), ports);
  const unaddressed = await outbox.takeUnaddressed(keys, now(), LEASE_MS.portal, NOTICES);
  const isOfRun = ({ documentId }: DueFact) => documentId === null;
  const ofDocuments = unaddressed.filter((telling) => !isOfRun(telling));
  await forEachPortal(ofDocuments, (deals, of) => address(deals, of, ports), ports);
  await forEachPortal(unaddressed.filter(isOfRun), (deals, of) => addressFailures(deals, of, ports), ports);
  const messages = await outbox.takeMessages(keys, now(), LEASE_MS.portal, NOTICES);
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

async function fire(deals: DealPort, due: DueFact[], ports: TellPorts): Promise<void> {
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
  await ports.outbox.settle(
    [...fired, ...lost.map((telling) => over(telling, 'no item', ports))],
    ports.now(),
  );
}

/** Finds whom to tell, and writes the message with the deal's title and link. */
async function address(deals: DealPort, due: DueFact[], ports: TellPorts): Promise<void> {
  const { outbox, now, seal } = ports;
  const { opened, lost } = openAll<Omit<Unaddressed, 'telling'>>(due, ports);
  const open = opened.map(({ telling, payload }): Unaddressed => ({ telling, ...payload }));
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
    await outbox.settle(
      [...lost, ...open.map(({ telling }) => settled(telling, { ok: false, why: 'retry' }, ports))],
      now(),
    );
    return;
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  const addressed: { id: string; userId: number; payload: string }[] = [];
  const nobody: SettledFact[] = lost;
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
  await outbox.settle(nobody, now());
  if (addressed.length > 0) await outbox.address(addressed, now());
}

async function send(deals: DealPort, due: DueMessage[], ports: TellPorts): Promise<void> {
  const unopened: SettledFact[] = [];
  const sendable = due.flatMap((one) => {
    const { opened, lost } = openAll<{ message: string }>(one.notices, ports);
    unopened.push(...lost);
    return opened.length === 0 ? [] : [{ ...one, opened }];
  });
  const written = sendable.map(({ userId, message, opened }) => {
    const texts = opened.map(({ payload }) => payload.message);
    const first = (opened[0] as (typeof opened)[number]).telling;
    return opened.length === 1
      ? {
          userId,
          text: texts[0] as string,
          tag: `directum:${first.documentId ?? 'run'}:${first.code}:${first.key}`,
        }
      : { userId, text: toDigest(texts, deals.language()), tag: `directum:${message}` };
  });
  const notify = () => (written.length === 0 ? Promise.resolve([]) : deals.notify(written));
  const results = await resultsOf(written.length, notify, failed('notices.failed', ports));
  const told = sendable.flatMap(({ opened }, at) =>
    opened.map(({ telling }) => settled(telling, results[at] as WriteResult, ports)),
  );
  await ports.outbox.settle([...unopened, ...told], ports.now());
}

/** What is sealed of tellings, and those that are told to nobody. */
function openAll<T>(
  due: DueFact[],
  ports: TellPorts,
): { opened: { telling: DueFact; payload: T }[]; lost: SettledFact[] } {
  const opened: { telling: DueFact; payload: T }[] = [];
  const lost: SettledFact[] = [];
  for (const telling of due) {
    const payload = openPayload<T>(telling, ports);
    if (payload !== null) opened.push({ telling, payload });
    else lost.push({ id: telling.id, state: 'refused', dueAt: ports.now(), error: 'its key is gone' });
  }
  return { opened, lost };
}

function failed(event: string, { log }: TellPorts) {
  return (error: unknown) => log.warn(event, { error });
}
