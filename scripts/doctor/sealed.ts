import type { Pool } from 'pg';
import type { SecretKeys } from '../../src/store/secrets.ts';

/** What is kept sealed and still needed, with the context that it is sealed for. */
const SEALED = [
  {
    name: 'installations',
    column: 'value',
    from: `keyv WHERE starts_with(key, 'installation:')`,
    context: 'installation',
  },
  { name: 'open runs', column: 'call', from: `run WHERE state <> 'ended'` },
  { name: 'calls that are no runs yet', column: 'calls', from: 'crowd', context: 'crowd' },
  { name: 'answers to be sent', column: 'payload', from: `answer WHERE state = 'due'` },
  {
    name: 'notices to be sent',
    column: 'payload',
    from: `telling WHERE state = 'due' AND payload IS NOT NULL`,
  },
  { name: 'tasks to be written', column: 'wanted', from: `mirrored_task WHERE due_at IS NOT NULL` },
];

/** Tries one value of each kind and key. Answers how many there are, and what cannot be opened and why. */
export async function trySealed(
  pool: Pool,
  keys: SecretKeys,
): Promise<{ count: number; closed: { name: string; count: number; reason: string }[] }> {
  let total = 0;
  const closed: { name: string; count: number; reason: string }[] = [];
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
        closed.push({ name, count, reason: (error as Error).message });
      }
    }
  }
  return { count: total, closed };
}
