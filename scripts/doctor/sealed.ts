import type { Pool } from 'pg';
import type { LocalText } from '../../src/robot/failure.ts';
import { SecretError, type SecretKeys } from '../../src/store/secrets/secrets.ts';

/** What is kept sealed and still needed, with the context that it is sealed for. */
const SEALED = [
  {
    name: { en: 'installations', ru: 'установки' },
    column: 'value',
    from: `keyv WHERE starts_with(key, 'installation:')`,
    context: 'installation',
  },
  {
    name: { en: 'open runs', ru: 'незавершённые запуски' },
    column: 'call',
    from: `run WHERE state <> 'ended'`,
  },
  {
    name: { en: 'calls that are no runs yet', ru: 'вызовы, ещё не ставшие запусками' },
    column: 'calls',
    from: 'former_crowd',
    context: 'crowd',
  },
  {
    name: { en: 'answers to be sent', ru: 'неотправленные ответы' },
    column: 'payload',
    from: `outbox WHERE state = 'due' AND kind = 'answer'`,
  },
  {
    name: { en: 'notices to be sent', ru: 'неотправленные уведомления' },
    column: 'payload',
    from: `outbox WHERE state = 'due' AND kind <> 'answer' AND payload IS NOT NULL`,
  },
  {
    name: { en: 'tasks to be written', ru: 'незаписанные задачи' },
    column: 'wanted',
    from: `mirrored_task AS m WHERE EXISTS (SELECT FROM outbox
      WHERE outbox.portal = m.portal AND kind = 'task' AND dedupe_key = assignment_id::text AND state = 'due')`,
  },
  {
    name: { en: 'decision tables', ru: 'таблицы правил' },
    column: 'rows',
    from: 'rule_table',
    context: 'rules',
  },
];

/** Tries one value of each kind and key. Answers how many there are, and what cannot be opened and why. */
export async function trySealed(
  pool: Pool,
  keys: SecretKeys,
): Promise<{ count: number; closed: { name: LocalText; count: number; reason: LocalText }[] }> {
  let total = 0;
  const closed: { name: LocalText; count: number; reason: LocalText }[] = [];
  for (const { name, column, from, context } of SEALED) {
    const { rows } = await pool.query<{ value: string; count: number }>(
      `SELECT min(${column}) AS value, count(*)::int AS count
       FROM (SELECT ${column} FROM ${from}) AS kept GROUP BY split_part(${column}, '.', 2)`,
    );
    for (const { value, count } of rows) {
      total += count;
      try {
        keys.decrypt(value, context);
      } catch (error) {
        closed.push({ name, count, reason: reasonOf(error) });
      }
    }
  }
  return { count: total, closed };
}

const reasonOf = (error: unknown): LocalText =>
  error instanceof SecretError ? error.text : { en: (error as Error).message, ru: (error as Error).message };
