import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Handler, Outcome } from '../../outbox/handler.ts';
import type { LocalText } from '../../robot/failure.ts';
import { toErrorText } from '../../robot/run-robot.ts';
import type { Failure, FailureDecision, FailureFacts } from '../../store/outbox/kept-failures.ts';
import { toUnmarked } from '../facts/notices.ts';
import { type DeliverPorts, GIVE_UP_MS, toOutcome } from './sending.ts';

export interface FailurePorts extends DeliverPorts {
  /** FAILURES_SHOWN. */
  shown: 'comment' | 'notice' | 'both' | 'off';
  /** Title of a robot by its code. */
  robotName(code: string): LocalText;
}

/** What is kept of a failure for its comment and notice. */
export interface FailureContent {
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

/** How comments of failures leave; what new failures leave is decided before. Their notices go the way of those of documents. */
export function commentHandler(ports: FailurePorts): Handler {
  const { queue, failures, portals } = ports;
  return {
    lane: 'comment',
    queue,
    recipients: portals.keys,
    most: AT_A_TIME,
    leaseMs: LEASE_MS.portal,
    giveUpMs: GIVE_UP_MS,
    async prepare(recipients) {
      const decided = await failures.decide(recipients, AT_A_TIME, MOST_ITEMS, (failure, facts) =>
        toDecision(failure, facts, ports),
      );
      return decided === AT_A_TIME;
    },
    async send(portal, rows) {
      const deals = portals.deals(portal);
      const language = deals.language();
      const known = rows.flatMap((row) => {
        const item = ports.toItem(row.itemCode);
        // Written below.
        const { text, runId } = row.content as FailureContent;
        return item === null
          ? []
          : [{ row, comment: { item, text: text[language], mark: runId, unsure: row.unsure } }];
      });
      const results = await deals.comment(known.map(({ comment }) => comment));
      const outcomes = new Map(known.map(({ row }, at) => [row, toOutcome(results[at])]));
      return rows.map(
        (row): Outcome => outcomes.get(row) ?? { ok: false, why: 'gone', reason: 'cannot be told' },
      );
    },
  };
}

function toDecision(failure: Failure, facts: FailureFacts, ports: FailurePorts): FailureDecision {
  const { shown, seal, now } = ports;
  const comments = shown === 'comment' || shown === 'both' || !failure.wantsAnswer;
  const notices = (shown === 'notice' || shown === 'both') && !failure.quiet;
  if (facts.known || !(comments || notices)) return { told: 'nothing', outbox: [] };
  const crowd = notices && facts.items > MOST_ITEMS;
  const { runId } = failure;
  const payload: FailureContent = { text: toText(failure, ports.robotName), runId, crowd };
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
