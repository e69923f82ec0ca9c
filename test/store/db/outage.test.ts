import pg from 'pg';
import { expect, it } from 'vitest';
import { isDataError } from '../../../src/store/db/data-error.ts';
import { isOutage, wasTurnedAway } from '../../../src/store/db/outage.ts';

const coded = (code: string, more = {}) => Object.assign(new Error('x'), { code, ...more });

it.each([
  ['the network', ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTDOWN']],
  ['a connection that is gone', ['08000', '08003', '08006', '08P01']],
  ['a server that stands by after a failover', ['25006']],
  ['limits of the server for who stands still or takes long', ['25P03', '25P04', '57P05', '57014', '55P03']],
  ['transactions in each other’s way', ['40001', '40P01', '40003']],
  ['resources that ran out', ['53000', '53100', '53200', '53300', '53400']],
  ['a shutdown, a restart and a dropped database', ['57000', '57P01', '57P02', '57P03', '57P04']],
  ['the disk of the server', ['58000', '58030', '58P01']],
  ['a password or a database that somebody changes', ['28P01', '28000', '3D000']],
])('counts %s as an outage', (_what, codes) => {
  expect(codes.filter((code) => !isOutage(coded(code)))).toEqual([]);
  expect(codes.filter((code) => isDataError(coded(code)))).toEqual([]);
});

it('a start with wrong credentials is not waited out', () => {
  expect(['28P01', '3D000', '57P03', 'ECONNREFUSED'].map((code) => wasTurnedAway(coded(code)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it('tells a fault from an outage', async () => {
  const faults = ['23505', '22P05', '54000', '42601', '42501', '25P02', 'XX001', 'ERR_INVALID_ARG_TYPE'];
  expect(faults.filter((code) => isOutage(coded(code)))).toEqual([]);
  expect(['23505', '22P05', '54000', '42601'].filter((code) => isDataError(coded(code)))).toEqual([
    '23505',
    '22P05',
    '54000',
  ]);
  expect([isOutage(new TypeError('x is not a function')), isOutage(undefined), isOutage('57P01')]).toEqual([
    false,
    false,
    false,
  ]);
  // A file of ours is missing, and the socket of a server that is down.
  expect(isOutage(coded('ENOENT', { syscall: 'open' }))).toBe(false);
  expect(isOutage(coded('ENOENT', { syscall: 'connect' }))).toBe(true);
  const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' });
  expect(isOutage(await pool.query('SELECT 1').catch((error) => error))).toBe(true);
  await pool.end();
  expect(isOutage(await pool.query('SELECT 1').catch((error) => error))).toBe(false);
});
