import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { runCommand } from '../journeys/command.ts';

const settings = {
  PUBLIC_URL: 'https://directum.example',
  BITRIX24_CLIENT_ID: 'local.1',
  BITRIX24_CLIENT_SECRET: 'client-secret-1',
  BITRIX24_PORTALS: 'https://acme.bitrix24.ru',
  DIRECTUM_URL: 'http://127.0.0.1:1/Integration/odata/',
  DIRECTUM_LOGIN: 'bitrix24',
  DIRECTUM_PASSWORD: 'directum-password-1',
};
const urlOf = (password: string, rest = '@127.0.0.1:1/db') => `postgresql://robot:${password}${rest}`;

/** Marks that a password generator puts between letters; `tail` must never be seen. */
const AWKWARD = [
  'front@tail',
  'front@mid@tail',
  'front@:tail',
  '@tail',
  'front tail',
  'front%tail',
  'front%40tail',
  'front/tail',
  '/tail',
  'front@/tail',
  '12345/tail',
  'front?tail',
  '?tail',
  'front#tail',
  '#tail',
  '12#tail',
  'front\\tail',
  'front"tail',
  "front'tail",
  'front:tail',
  'front&password=tail',
  'front[tail]',
  'front|tail`{}^<>',
];

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'password-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

it.each(AWKWARD)(
  'nothing that a person sees shows the password %s',
  async (password) => {
    const env = {
      ...settings,
      DATABASE_URL: urlOf(password),
      DATA_DIR: home,
      BACKUP_PASSPHRASE: 'long enough a phrase',
    };
    for (const [name, args] of [
      ['doctor', []],
      ['backup', [join(home, 'file')]],
      ['runs', ['list']],
      ['register', []],
      ['reconcile', []],
    ] as const) {
      const { code, out, err } = await runCommand(name, [...args], env);
      expect(code).not.toBe(0);
      expect(out + err).not.toContain('tail');
    }
  },
  60_000,
);

describe('a text with the address in it', () => {
  it.each(AWKWARD.flatMap((password) => [urlOf(password), urlOf(password, '@/db?host=/run/postgresql')]))(
    '%s',
    (url) => {
      const lines: string[] = [];
      const log = createLog('debug', (line) => lines.push(line));
      log.error('start.failed', {
        error: new Error(`cannot use ${url}`),
        url,
        nested: [{ text: `before ${url} after` }],
        cut: `${'x'.repeat(1_960)} ${url}`,
      });
      expect(lines.join('')).not.toContain('tail');
      expect(lines.join('')).toContain('start.failed');
    },
  );

  it('keeps its host, and a password among its parameters is hidden too', () => {
    const lines: string[] = [];
    createLog('debug', (line) => lines.push(line)).info('said', {
      one: urlOf('tail'),
      other: 'postgres://host:5432/db?user=robot&password=ta@il&sslmode=require',
    });
    expect(lines.join('')).toContain('@127.0.0.1:1/db');
    expect(lines.join('')).not.toMatch(/tail|ta@|il&/);
  });
});

it('an address is taken only as the driver reads it, with nothing of the password in another part', () => {
  const mark = fc.constantFrom(...'@/?#:%&= []{}"\'\\+,;!$*()|^`~aZ019');
  fc.assert(
    fc.property(
      fc.array(mark, { minLength: 1, maxLength: 12 }).map((marks) => marks.join('')),
      (password) => {
        let url: string | undefined;
        try {
          url = parseConfig({
            ...settings,
            DATABASE_URL: urlOf(password, '@host.example:5433/db'),
          }).DATABASE_URL;
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          const texts = (error as ConfigError).problems.map(({ name, text }) => `${name}: ${text.en}`);
          expect(texts).toEqual([expect.stringMatching(/^DATABASE_URL: an address such as/)]);
          return;
        }
        const { host, port, database, user } = new pg.Client({ connectionString: url });
        expect({ host, port, database, user }).toEqual({
          host: 'host.example',
          port: 5433,
          database: 'db',
          user: 'robot',
        });
      },
    ),
    { numRuns: 2_000 },
  );
});
