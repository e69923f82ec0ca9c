import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { isMendable, tell } from '../../src/command/trouble.ts';
import { parseConfig } from '../../src/config.ts';

const GOOD = {
  PUBLIC_URL: 'https://directum.example',
  BITRIX24_CLIENT_ID: 'local.1',
  BITRIX24_CLIENT_SECRET: 'canary-secret',
  BITRIX24_PORTALS: 'https://acme.bitrix24.ru',
  DIRECTUM_URL: 'https://rx.example/odata/',
  DIRECTUM_LOGIN: 'bitrix24',
  DIRECTUM_PASSWORD: 'canary-password',
  DATA_DIR: '/srv/robots',
};
const EMBEDDED = parseConfig(GOOD);
const OWN = parseConfig({ ...GOOD, DATABASE_URL: 'postgresql://robots:canary%40x@db.example/directum' });
const SOCKET = parseConfig({ ...GOOD, DATABASE_URL: 'postgresql://robots@/directum?host=/run/postgresql' });

const error = (message: string, facts: Record<string, unknown>) => Object.assign(new Error(message), facts);
const ofServer = (code: string, message: string) => error(message, { code, severity: 'FATAL' });
const at = { address: '10.0.0.7', port: 5432, syscall: 'connect' };

it.each([
  [
    error('', { code: 'EACCES', syscall: 'listen', address: '0.0.0.0', port: 80 }),
    OWN,
    /^PORT: this user may not listen on 0\.0\.0\.0:80/,
  ],
  [
    error('', { code: 'EADDRNOTAVAIL', syscall: 'listen', address: '10.9.9.9', port: 3000 }),
    OWN,
    /^HOST: .*10\.9\.9\.9:3000/,
  ],
  [
    error('', { code: 'EROFS', syscall: 'mkdir', path: '/srv/robots/spool' }),
    OWN,
    /^DATA_DIR: \/srv\/robots\/spool: the file system is read-only \(EROFS\)\.$/,
  ],
  [
    error('The server does not support SSL connections', {}),
    OWN,
    /^DATABASE_URL: PostgreSQL at db\.example:5432 speaks no TLS, which sslmode of the address asks for/,
  ],
  [error('', { code: 'ENOSPC', syscall: 'write' }), EMBEDDED, /^DATA_DIR: \/srv\/robots: the disk is full/],
  [
    error('', { code: 'EACCES', syscall: 'open', path: '/backups/a.backup.0123456789ab.partial' }),
    OWN,
    /^\/backups\/a\.backup: this user has no right to it/,
  ],
  [
    error('', { code: 'ECONNREFUSED', ...at }),
    OWN,
    /^DATABASE_URL: PostgreSQL at db\.example:5432 cannot be reached: nothing listens there \(ECONNREFUSED\)\.$/,
  ],
  [new AggregateError([error('', { code: 'ECONNREFUSED', ...at })]), OWN, /^DATABASE_URL: .*ECONNREFUSED/],
  [
    error('', { code: 'ENOENT', syscall: 'connect', address: '/run/postgresql/.s.PGSQL.5432' }),
    SOCKET,
    /^DATABASE_URL: PostgreSQL at \/run\/postgresql/,
  ],
  [error('timeout expired', {}), OWN, /^DATABASE_URL: PostgreSQL at db\.example:5432 does not answer\.$/],
  [
    ofServer('28P01', 'password authentication failed for user "robots"'),
    OWN,
    /^DATABASE_URL: .* does not let user robots in/,
  ],
  [ofServer('3D000', 'database "directum" does not exist'), OWN, /has no database directum\.$/],
  [
    ofServer('53300', 'too many connections'),
    EMBEDDED,
    /^DATA_DIR: PostgreSQL at \/srv\/robots refuses: too many connections \(53300\)\.$/,
  ],
])('%s is told by its setting', (wrong, config, words) => {
  expect(tell(wrong, config).en).toMatch(words);
  const { ru } = tell(wrong, config);
  expect(ru).toMatch(/[а-я]/);
  expect(ru + tell(wrong, config).en).not.toContain('canary');
  expect(isMendable(wrong, config)).toBe(true);
});

it('what is nobody’s setting is a fault of the service, said as one', () => {
  const fault = new TypeError('x is not a function, at postgresql://u:canary@h/d');
  expect(tell(fault, OWN).en).toMatch(/^A fault of the service itself: x is not a function/);
  expect(tell(fault, OWN).en).not.toContain('canary');
  expect(isMendable(fault, OWN)).toBe(false);
  expect(tell(error('', { code: 'ENOENT', path: resolve('elsewhere') }), null).en).toContain(
    resolve('elsewhere'),
  );
});
