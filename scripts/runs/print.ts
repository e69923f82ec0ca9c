import { redact } from '../../src/log.ts';
import type { LocalText } from '../../src/robot/failure.ts';
import type { ListedRun, RunHistory } from '../../src/store/runs/run-history.ts';
import type { Given } from './asked.ts';

/** How lines and times are shown. */
export type Shown = Pick<Given, 'print' | 'say'> & { time: (at: Date) => string };
/** Where a run stands: its ending once it has one. */
export const stateOf = (run: ListedRun) => (run.state === 'ended' ? (run.ending ?? 'ended') : run.state);

export function printList({ print, say, time }: Shown, runs: ListedRun[]): void {
  const head = {
    en: ['RUN_ID', 'TIME', 'ROBOT', 'ITEM', 'STATE', 'ATTEMPTS'],
    ru: ['RUN_ID', 'ВРЕМЯ', 'РОБОТ', 'ЭЛЕМЕНТ', 'СОСТОЯНИЕ', 'ПОПЫТОК'],
  };
  const rows = runs.map((run) => [
    run.id,
    time(run.receivedAt),
    run.robot,
    run.itemCode,
    stateOf(run),
    String(run.attempts),
  ]);
  printTable(print, say({ en: head.en.join(), ru: head.ru.join() }).split(','), rows);
  if (runs.length === 0) print(say({ en: 'no runs', ru: 'запусков нет' }));
}

export function printTable(print: Given['print'], head: string[], rows: string[][]): void {
  const table = [head, ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

/** Names and lengths of what the step sent and was answered: texts may be people's. Ids and Y/N are shown. */
export function toLines(values: Record<string, unknown>, say: Given['say']): string[] {
  return Object.entries(values).map(([name, value]) => {
    if (Array.isArray(value)) {
      const lengths = value.map((one) => String(one).length).join(', ') || '0';
      const count = value.length;
      return `  ${name}: ${say({ en: `${count} values of ${lengths} characters`, ru: `значений ${count}, знаков ${lengths}` })}`;
    }
    if (typeof value === 'number' || typeof value === 'boolean' || value === 'Y' || value === 'N')
      return `  ${name}: ${value}`;
    const { length } = String(value ?? '');
    return `  ${name}: ${say({ en: `${length} characters`, ru: `знаков ${length}` })}`;
  });
}

/** Everything that is known of a run. */
export function printRun({ print, say, time }: Shown, run: RunHistory, properties: string[]): void {
  const none = `  ${say({ en: 'none yet', ru: 'пока нет' })}`;
  const row = (name: LocalText, value: string) => print(`${say(name).padEnd(10)}${value}`);
  row({ en: 'run', ru: 'запуск' }, run.id);
  row({ en: 'robot', ru: 'робот' }, run.robot);
  row({ en: 'item', ru: 'элемент' }, run.itemCode);
  row({ en: 'received', ru: 'получен' }, time(run.receivedAt));
  row({ en: 'deadline', ru: 'срок' }, time(run.deadlineAt));
  row({ en: 'state', ru: 'состояние' }, `${run.state}${run.ending === null ? '' : `: ${run.ending}`}`);
  if (run.state === 'accepted') row({ en: 'next', ru: 'далее' }, time(run.nextAt));
  if (run.endedAt !== null) row({ en: 'ended', ru: 'закончен' }, time(run.endedAt));
  row(
    { en: 'waits', ru: 'ответ' },
    say(
      run.wantsAnswer
        ? { en: 'the step waits for the answer', ru: 'шаг ждёт ответа' }
        : { en: 'nobody waits for the answer', ru: 'ответа никто не ждёт' },
    ),
  );
  print(say({ en: 'properties (values are not shown)', ru: 'поля (значения не показываются)' }));
  for (const line of properties) print(line);
  print(say({ en: 'attempts', ru: 'попытки' }));
  for (const one of run.tries) {
    const seconds = ((one.finishedAt.getTime() - one.startedAt.getTime()) / 1000).toFixed(1);
    const text = one.text === null ? '' : `  ${redact(say(one.text))}`;
    print(
      `  ${one.number}  ${time(one.startedAt)}  ${seconds} ${say({ en: 's', ru: 'с' })}  ${one.ending}${text}`,
    );
  }
  if (run.tries.length === 0) print(none);
  print(say({ en: 'outputs (texts are not shown)', ru: 'результаты (тексты не показываются)' }));
  for (const line of toLines(run.outcome ?? {}, say)) print(line);
  if (run.outcome === null) print(none);
  print(say({ en: 'answers', ru: 'ответы порталу' }));
  for (const answer of run.answers) {
    const error = answer.lastError === null ? '' : `  ${redact(answer.lastError)}`;
    print(
      `  ${answer.kind} ${answer.number}  ${answer.state}  ${answer.sentAt === null ? '-' : time(answer.sentAt)}${error}`,
    );
  }
  if (run.answers.length === 0) print(none);
}
