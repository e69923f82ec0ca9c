import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Language, LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { Failures } from '../../store/outbox/kept-failures.ts';
import type { DueFact, DueMessage, Outbox, SettledFact } from '../../store/outbox/outbox.ts';
import { toDigest, toMessage } from '../facts/notices.ts';
import type { DealPort, ReachablePortals } from '../ports/deal.ts';
import type { TriggerCode } from '../ports/facts.ts';
import { addressFailures } from './failure-notices.ts';
import { isTooOld, openPayload, over, REFUSED_TRIGGER_MS, sendAll, settled } from './sending.ts';

interface TellPorts {
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

interface NoticePayload {
  /** Null: the item's responsible person is told. */
  email: string | null;
  text: LocalText;
}

/** Tells portals what is due in the outbox: triggers, then notices. One step; true while there may be more. */
export async function tell(ports: TellPorts): Promise<boolean> {
  const { outbox, now } = ports;
  const keys = ports.portals.keys();
  const triggers = await outbox.takeTriggers(keys, now(), LEASE_MS.portal, TRIGGERS);
  await forEachPortal(triggers, (deals, of) => fire(deals, of, ports), ports);
  const unaddressed = await outbox.takeUnaddressed(keys, now(), LEASE_MS.portal, NOTICES);
  const isOfRun = ({ documentId }: DueFact) => documentId === null;
  const ofDocuments = unaddressed.filter((fact) => !isOfRun(fact));
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
  const known = due.flatMap((fact) => {
    const item = ports.toItem(fact.itemCode);
    return item ? [{ fact, trigger: { code: fact.code as TriggerCode, item } }] : [];
  });
  const results = await sendAll(
    known,
    (some) => deals.fireTriggers(some.map(({ trigger }) => trigger)),
    failed('triggers.failed', ports),
  );
  const fired = results.map(([{ fact }, result]) => {
    const after = settled(fact, result, ports);
    const mendable = after.state === 'refused' && !isTooOld(fact.createdAt, ports.now());
    if (!mendable) return after;
    const dueAt = new Date(ports.now().getTime() + REFUSED_TRIGGER_MS);
    return { ...after, state: 'due' as const, dueAt };
  });
  const lost = due.filter((fact) => !known.some((one) => one.fact === fact));
  await ports.outbox.settle([...fired, ...lost.map((fact) => over(fact, 'no item', ports))], ports.now());
}

/** Finds whom to tell, and writes the message with the deal's title and link. */
async function address(deals: DealPort, due: DueFact[], ports: TellPorts): Promise<void> {
  const { outbox, now, seal } = ports;
  const { opened, lost } = openAll<NoticePayload>(due, ports);
  const open = opened.map(({ fact, payload }) => ({ fact, ...payload }));
  const refs = new Map(
    open.flatMap(({ fact: { itemCode } }) => {
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
      [...lost, ...open.map(({ fact }) => settled(fact, { ok: false, why: 'retry' }, ports))],
      now(),
    );
    return;
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  const addressed: { id: string; userId: number; payload: string }[] = [];
  const nobody: SettledFact[] = lost;
  for (const { fact, email, text } of open) {
    const item = byCode.get(fact.itemCode);
    // A performer whom the portal does not know works in Directum only; the item's responsible person cannot decide instead.
    const userId = email === null ? item?.responsibleUserId : byEmail.get(email.toLowerCase());
    if (!item || userId == null) nobody.push(over(fact, item ? 'no such user' : 'no item', ports));
    else {
      const message = toMessage(text, item, deals.language());
      addressed.push({ id: fact.id, userId, payload: seal.encrypt(JSON.stringify({ message })) });
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
    const [first] = opened;
    return first === undefined ? [] : [{ ...one, opened, first }];
  });
  const results = await sendAll(
    sendable,
    (some) => deals.notify(some.map((one) => toNotice(one, deals.language()))),
    failed('notices.failed', ports),
  );
  const told = results.flatMap(([{ opened }, result]) =>
    opened.map(({ fact }) => settled(fact, result, ports)),
  );
  await ports.outbox.settle([...unopened, ...told], ports.now());
}

type Opened<T> = { fact: DueFact; payload: T };

/** The one notice as it is, several as a digest. */
function toNotice(
  {
    userId,
    message,
    opened,
    first: { fact, payload },
  }: DueMessage & { opened: Opened<{ message: string }>[]; first: Opened<{ message: string }> },
  language: Language,
): { userId: number; text: string; tag: string } {
  if (opened.length > 1) {
    const texts = opened.map((one) => one.payload.message);
    return { userId, text: toDigest(texts, language), tag: `directum:${message}` };
  }
  const tag = `directum:${fact.documentId ?? 'run'}:${fact.code}:${fact.key}`;
  return { userId, text: payload.message, tag };
}

/** The unsealed payloads of facts, and the facts whose key is gone. */
function openAll<T>(due: DueFact[], ports: TellPorts): { opened: Opened<T>[]; lost: SettledFact[] } {
  const opened: Opened<T>[] = [];
  const lost: SettledFact[] = [];
  for (const fact of due) {
    const payload = openPayload<T>(fact, ports);
    if (payload !== null) opened.push({ fact, payload });
    else lost.push({ id: fact.id, state: 'refused', dueAt: ports.now(), error: 'its key is gone' });
  }
  return { opened, lost };
}

function failed(event: string, { log }: TellPorts) {
  return (error: unknown) => log.warn(event, { error });
}
