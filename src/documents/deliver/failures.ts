import { LEASE_MS } from '../../lib/work/leases.ts';
import type { LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { toErrorText } from '../../robot/run-robot.ts';
import type {
  DueComment,
  Failure,
  FailureDecision,
  FailureFacts,
  Failures,
} from '../../store/outbox/kept-failures.ts';
import type { Outbox } from '../../store/outbox/outbox.ts';
import { toUnmarked } from '../facts/notices.ts';
import type { DealPort, ReachablePortals } from '../ports/deal.ts';
import { openPayload, over, sendAll, settled } from './sending.ts';

export interface FailurePorts {
  failures: Failures;
  outbox: Outbox;
  portals: ReachablePortals;
  /** FAILURES_SHOWN. */
  shown: 'comment' | 'notice' | 'both' | 'off';
  /** Title of a robot by its code. */
  robotName(code: string): LocalText;
  /** The item of a code such as `DEAL_915`; null for what is none. */
  toItem(code: string): ItemRef | null;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  now: () => Date;
  log: Log;
}

/** What is kept of a failure for its comment and notice. */
export interface FailurePayload {
  /** As in notices of documents; null: the item's responsible person is told. */
  email: null;
  text: LocalText;
  runId: string;
  /** One notice for all items that failed with the code. */
  crowd: boolean;
}

/** With more items of one code within an hour, one person is told of all of them (interface.md §5). */
const MOST_ITEMS = 10;
const AT_A_TIME = 50;
/** The one notice for many items waits so long, so that it counts what failed together. */
const CROWD_MS = 30_000;

/**
 * One step: decides what new failures leave and leaves their comments; notices go the way of those of documents (tell.ts).
 * True while there may be more.
 */
export async function tellFailures(ports: FailurePorts): Promise<boolean> {
  const { failures, now } = ports;
  const keys = ports.portals.keys();
  const decided = await failures.decide(keys, AT_A_TIME, MOST_ITEMS, (failure, facts) =>
    toDecision(failure, facts, ports),
  );
  const comments = await failures.takeComments(keys, now(), LEASE_MS.portal, AT_A_TIME);
  const groups = [...Map.groupBy(comments, ({ portal }) => portal)];
  await Promise.all(groups.map(([portal, of]) => comment(ports.portals.deals(portal), of, ports)));
  return decided + comments.length > 0;
}

function toDecision(failure: Failure, facts: FailureFacts, ports: FailurePorts): FailureDecision {
  const { shown, seal, now } = ports;
  const comments = shown === 'comment' || shown === 'both' || !failure.wantsAnswer;
  const notices = (shown === 'notice' || shown === 'both') && !failure.quiet;
  if (facts.known || !(comments || notices)) return { told: 'nothing', outbox: [] };
  const crowd = notices && facts.items > MOST_ITEMS;
  const { runId } = failure;
  const payload: FailurePayload = { email: null, text: toText(failure, ports.robotName), runId, crowd };
  const toEntry = (kind: 'comment' | 'notice', afterMs: number) => ({
    kind,
    payload: seal.encrypt(JSON.stringify(payload)),
    dueAt: new Date(now().getTime() + afterMs),
  });
  const outbox: FailureDecision['outbox'] = [];
  if (comments && ports.toItem(failure.itemCode) !== null) outbox.push(toEntry('comment', 0));
  if (crowd && !facts.announced) outbox.push(toEntry('notice', CROWD_MS));
  if (notices && !crowd) outbox.push(toEntry('notice', 0));
  const told = crowd && !facts.announced ? 'crowd' : 'item';
  ports.log.info('failure.told', { runId, told, kinds: outbox.map(({ kind }) => kind) });
  return { told, outbox };
}

/** The robot's title, what it answered, and the run by which it is found. */
function toText({ robot, runId, code, text }: Failure, robotName: FailurePorts['robotName']): LocalText {
  const name = robotName(robot);
  const said = (language: 'ru' | 'en') => (text === null ? code : toErrorText(text, language));
  const line = (language: 'ru' | 'en') => toUnmarked(`${name[language]}: ${said(language)} (${runId})`);
  return { ru: line('ru'), en: line('en') };
}

async function comment(deals: DealPort, due: DueComment[], ports: FailurePorts): Promise<void> {
  const { outbox, now, log } = ports;
  const language = deals.language();
  const open = due.flatMap((fact) => {
    const item = ports.toItem(fact.itemCode);
    const payload = openPayload<FailurePayload>(fact, ports);
    if (item === null || payload === null) return [];
    const { text, runId } = payload;
    return [{ fact, comment: { item, text: text[language], mark: runId, unsure: fact.unsure } }];
  });
  const results = await sendAll(
    open,
    (some) => deals.comment(some.map((one) => one.comment)),
    (error) => log.warn('comments.failed', { error }),
  );
  const rows = results.map(([{ fact }, result]) => settled(fact, result, ports));
  const lost = due.filter((fact) => !open.some((one) => one.fact === fact));
  await outbox.settle([...rows, ...lost.map((fact) => over(fact, 'cannot be told', ports))], now());
}
