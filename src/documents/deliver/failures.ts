import { LEASE_MS } from '../../lib/leases.ts';
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
import type { DealPort, ReachablePortals, WriteResult } from '../ports/deal.ts';
import { openPayload, over, resultsOf, settled } from './sending.ts';

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
  /** As of documents' notices: nobody is named, so the item's responsible person is told. */
  email: null;
  text: LocalText;
  runId: string;
  /** It stands for all items that failed with the code. */
  crowd: boolean;
}

/** From the next item with one code within an hour on, one person is told of all (interface.md §5). */
const MOST_ITEMS = 10;
const AT_A_TIME = 50;
/** What failed together is counted together: the installer is told after so long. */
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
  const telling = (kind: 'comment' | 'notice', afterMs: number) => ({
    kind,
    payload: seal.encrypt(JSON.stringify(payload)),
    dueAt: new Date(now().getTime() + afterMs),
  });
  const outbox: FailureDecision['outbox'] = [];
  if (comments && ports.toItem(failure.itemCode) !== null) outbox.push(telling('comment', 0));
  if (crowd && !facts.announced) outbox.push(telling('notice', CROWD_MS));
  if (notices && !crowd) outbox.push(telling('notice', 0));
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
  const open = due.flatMap((telling) => {
    const item = ports.toItem(telling.itemCode);
    const payload = openPayload<FailurePayload>(telling, ports);
    if (item === null || payload === null) return [];
    const { text, runId } = payload;
    return [{ telling, comment: { item, text: text[language], mark: runId, unsure: telling.unsure } }];
  });
  const results = await resultsOf(
    open.length,
    () => deals.comment(open.map((one) => one.comment)),
    (error) => log.warn('comments.failed', { error }),
  );
  const rows = open.map(({ telling }, at) => settled(telling, results[at] as WriteResult, ports));
  const lost = due.filter((telling) => !open.some((one) => one.telling === telling));
  await outbox.settle([...rows, ...lost.map((telling) => over(telling, 'cannot be told', ports))], now());
}
