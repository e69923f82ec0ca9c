import type { LocalText } from '../../robot/failure.ts';
import { type Ending, failAgain } from '../../robot/run-robot.ts';
import { isDataError } from '../../store/db/data-error.ts';
import { isOutage } from '../../store/db/outage.ts';
import type { StoredRun } from '../../store/runs/runs.ts';
import { readEventToken, toNextAttempt } from '../intake/kept-call.ts';
import { type AttemptPorts, attemptOnce, isCheckRun, toNewAnswer } from './attempt.ts';
import { Overtaken } from './overtaken.ts';

/** Lost attempts after which a run is given up; more than one, because another process may not have the same fault. */
const MOST_LOST = 3;
/** A run is given up after its process ended so many times in a row: the run itself may be the cause. */
const MOST_ABANDONED = 10;
const MOST_ABANDONED_LATE = 3;

/**
 * One attempt of a run. An attempt without an outcome is repeated a few times, and then the run ends all the same.
 * @throws Overtaken, and when the database is away: then it is unknown what was written
 */
export async function attemptRun(run: StoredRun, ports: AttemptPorts): Promise<void> {
  const robot = ports.robots.get(run.robot);
  if (!robot) return giveUp(run, ports, new Error(`no robot ${run.robot}`));
  const most = ports.now() < run.deadlineAt ? MOST_ABANDONED : MOST_ABANDONED_LATE;
  if (run.abandoned >= most)
    return giveUp(run, ports, new Error(`${run.abandoned} attempts ended with their process`));
  try {
    await attemptOnce(run, robot, ports);
  } catch (error) {
    if (isOutage(error) || error instanceof Overtaken) throw error;
    // Values that the database refuses would be refused again, so the run ends with plain ones.
    const isLast = isDataError(error) || run.lost + 1 >= MOST_LOST || ports.now() >= run.deadlineAt;
    await (isLast ? giveUp(run, ports, error) : lose(run, ports, error));
  }
}

const factsOf = (run: StoredRun) => ({ runId: run.id, robot: run.robot, item: run.itemCode });

const LOST: LocalText = {
  ru: 'Внутренняя ошибка сервиса: запуск не удалось довести до конца. Передайте номер запуска (run_id) администратору сервиса.',
  en: 'Internal error of the service: the run could not be brought to its end. Give the run id (run_id) to the operator of the service.',
};
const UNANSWERABLE: LocalText = {
  ru: 'Внутренняя ошибка сервиса: вызов робота нельзя прочитать, поэтому шаг, который ждёт ответа, его не получит. Остановите этот процесс и запустите робота снова; номер запуска передайте администратору сервиса.',
  en: 'Internal error of the service: the call of the robot cannot be read, so the step that waits for an answer will get none. Stop this workflow and run the robot again; give the run id to the operator of the service.',
};

/** The attempt came to no outcome although the database is there: a later one may. */
async function lose(run: StoredRun, ports: AttemptPorts, cause: unknown): Promise<void> {
  const { runs, now } = ports;
  const at = now();
  const nextAt = toNextAttempt(run.lost, at, run.deadlineAt, ports.random, ports.delays);
  const attempt = { startedAt: at, finishedAt: at, ending: 'internal_error', text: LOST };
  const { deadlineAt } = run;
  await runs.postpone(run, attempt, run.lastValues ?? {}, { nextAt, deadlineAt, lost: true });
  ports
    .scope(factsOf(run))
    .error('attempt.lost', { cause, lost: run.lost + 1, nextAt: nextAt.toISOString() });
}

/** Ends the run with what can be told without its call, so that its item is free for other robots. */
async function giveUp(run: StoredRun, ports: AttemptPorts, cause: unknown): Promise<void> {
  const eventToken = readEventToken(run.call, ports.seal.decrypt);
  const at = ports.now();
  const silent = run.wantsAnswer && eventToken === null;
  const text = silent ? UNANSWERABLE : LOST;
  const robot = ports.robots.get(run.robot);
  const known = run.lastValues ?? {};
  const values = robot ? failAgain(robot, 'internal_error', text, known).values : known;
  const outcome: Ending = { kind: 'failed', code: 'internal_error', text, heals: false, values };
  const untold = isCheckRun(run, robot, ports.seal);
  const attempt = { startedAt: at, finishedAt: at, ending: outcome.code, text, unanswerable: silent, untold };
  const answer = toNewAnswer(run, eventToken, outcome, ports.languageOf(run.memberId), ports);
  if (!(await ports.runs.end(run.id, attempt, values, answer, run))) return;
  ports.scope(factsOf(run)).error('run.given_up', {
    cause,
    answered: !silent,
    todo: `${silent ? 'give back the key that is missing in SECRET_KEYS, if there is one; ' : ''}when the cause is mended: npm run runs -- retry ${run.id}`,
  });
  ports.onEnd(run, outcome.code);
  ports.onAnswer();
}
