import pg from 'pg';
import { expect, it } from 'vitest';
import { isOutage } from '../../src/runs/outage.ts';

const coded = (code: string) => Object.assign(new Error('x'), { code });

it('tells a database that does not answer from a fault', async () => {
  for (const code of ['ECONNREFUSED', '57P01', '57P03', '53300', '08006', 'ENOTFOUND'])
    expect([code, isOutage(coded(code))]).toEqual([code, true]);
  for (const code of ['28P01', '3D000', '23505', '22P05', '42601', 'ERR_INVALID_ARG_TYPE'])
    expect([code, isOutage(coded(code))]).toEqual([code, false]);
  expect([isOutage(new TypeError('x is not a function')), isOutage(undefined), isOutage('57P01')]).toEqual([
    false,
    false,
    false,
  ]);
  const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' });
  expect(isOutage(await pool.query('SELECT 1').catch((error) => error))).toBe(true);
  await pool.end();
  expect(isOutage(await pool.query('SELECT 1').catch((error) => error))).toBe(false);
});
