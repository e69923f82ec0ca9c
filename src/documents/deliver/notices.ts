import { LEASE_MS } from '../../lib/work/leases.ts';
import { type Handler, type OpenRow, type Outcome, RETRY } from '../../outbox/handler.ts';
import type { Language, LocalText } from '../../robot/failure.ts';
import type { Addressed } from '../../store/outbox/notices.ts';
import { toDigest, toMessage } from '../facts/notices.ts';
import type { DealPort } from '../ports/deal.ts';
import { addressFailures } from './failure-notices.ts';
import { type DeliverPorts, GIVE_UP_MS, toOutcome } from './sending.ts';

const NOTICES = 50;

interface NoticeContent {
  /** Null: the item's responsible person is told. */
  email: string | null;
  text: LocalText;
}

/** How notices leave: the person of each is found out, then they go out as messages, several to one person as a digest. */
export function noticeHandlers(ports: DeliverPorts): Handler[] {
  const { queue, notices, portals, now } = ports;
  const common = { queue, recipients: portals.keys, leaseMs: LEASE_MS.portal, giveUpMs: GIVE_UP_MS };
  return [
    {
      ...common,
      lane: 'address',
      most: NOTICES,
      async send(portal, rows) {
        const deals = portals.deals(portal);
        const isOfRun = ({ documentId }: OpenRow) => documentId === null;
        const outcomes = new Map([
          ...(await address(
            deals,
            rows.filter((row) => !isOfRun(row)),
            ports,
          )),
          ...(await addressFailures(deals, rows.filter(isOfRun), ports)),
        ]);
        return rows.map((row) => outcomes.get(row) ?? null);
      },
    },
    {
      ...common,
      lane: 'message',
      most: NOTICES,
      take: (recipients, lockedUntil) => notices.takeMessages(recipients, now(), lockedUntil, NOTICES),
      async send(portal, rows) {
        const deals = portals.deals(portal);
        const messages = [...Map.groupBy(rows, ({ message }) => message).values()];
        const results = await deals.notify(messages.map((of) => toNotice(of, deals.language())));
        const outcomes = new Map(messages.map((of, at) => [of[0]?.message, toOutcome(results[at])]));
        return rows.map(({ message }) => outcomes.get(message) ?? RETRY);
      },
    },
  ];
}

/** Finds whom to tell, and writes the message with the deal's title and link. Outcomes of those that have no such person. */
async function address(deals: DealPort, rows: OpenRow[], ports: DeliverPorts): Promise<[OpenRow, Outcome][]> {
  const { notices, now, seal } = ports;
  // Written by record-changes.ts.
  const open = rows.map((row) => ({ row, ...(row.content as NoticeContent) }));
  const refs = new Map(
    open.flatMap(({ row: { itemCode } }) => {
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
    ports.log.warn('notices.not_addressed', { error });
    return rows.map((row) => [row, RETRY]);
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const byEmail = new Map([...users].map(([email, id]) => [email.toLowerCase(), id]));
  const addressed: Addressed[] = [];
  const nobody: [OpenRow, Outcome][] = [];
  for (const { row, email, text } of open) {
    const item = byCode.get(row.itemCode);
    // A performer whom the portal does not know works in Directum only; the item's responsible person cannot decide instead.
    const userId = email === null ? item?.responsibleUserId : byEmail.get(email.toLowerCase());
    if (!item || userId == null)
      nobody.push([row, { ok: false, why: 'gone', reason: item ? 'no such user' : 'no item' }]);
    else {
      const message = toMessage(text, item, deals.language());
      const { id, takes } = row;
      addressed.push({ id, takes, userId, payload: seal.encrypt(JSON.stringify({ message })) });
    }
  }
  await notices.address(addressed, now());
  return nobody;
}

/** The one notice as it is, several as a digest. */
function toNotice(of: OpenRow[], language: Language): { userId: number; text: string; tag: string } {
  const [first] = of as [OpenRow];
  // Addressed, or it would not be here; its text was written then.
  const userId = first.userId as number;
  const texts = of.map(({ content }) => (content as { message: string }).message);
  if (texts.length > 1) return { userId, text: toDigest(texts, language), tag: `directum:${first.message}` };
  const tag = `directum:${first.documentId ?? 'run'}:${first.code}:${first.key}`;
  return { userId, text: texts[0] ?? '', tag };
}
