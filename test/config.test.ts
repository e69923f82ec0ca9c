import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type ConfigError, parseConfig } from '../src/config.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const good = {
  PUBLIC_URL: 'https://directum.example',
  BITRIX24_CLIENT_ID: 'local.1',
  BITRIX24_CLIENT_SECRET: 'hush-hush',
  BITRIX24_PORTALS: 'https://acme.bitrix24.ru/, http://10.0.0.5:8080',
  DIRECTUM_URL: 'https://rx.example/Integration/odata',
  DIRECTUM_LOGIN: 'bitrix24',
  DIRECTUM_PASSWORD: 'pass-word',
};

function problemsOf(env: Record<string, string | undefined>): string[] {
  try {
    parseConfig(env);
  } catch (error) {
    return (error as ConfigError).problems.map(({ name, text }) => `${name}: ${text.en}`);
  }
  return [];
}

describe('settings', () => {
  it('keeps no text that the database cannot hold', () => {
    const config = parseConfig({ ...good, DIRECTUM_CONTRACT_KIND: 'Договор \ud83d\0' });
    expect(config.DIRECTUM_CONTRACT_KIND).toBe('Договор \ufffd\ufffd');
  });

  it('fills defaults and derives the web client', () => {
    const config = parseConfig(good);
    expect(config).toMatchObject({
      PORT: 3000,
      BITRIX24_PORTALS: ['https://acme.bitrix24.ru', 'http://10.0.0.5:8080'],
      BITRIX24_RATE: { perSecond: 2, bucket: 50 },
      DIRECTUM_WEB_URL: 'https://rx.example/Client',
      DIRECTUM_DUE_DAYS: [30, 7, 1],
      TIME_ZONE: 'Europe/Moscow',
      FAILURES_SHOWN: 'both',
      KEEP_RUNS_DAYS: 365,
    });
  });

  it('names the proxies of other programs only while it has none of its own', () => {
    const env = {
      ...good,
      http_proxy: 'http://a',
      HTTPS_PROXY: 'http://b',
      All_Proxy: 'http://c',
      NO_PROXY: 'x',
    };
    expect(parseConfig(env).ignoredProxies).toEqual(['http_proxy', 'HTTPS_PROXY', 'All_Proxy']);
    expect(parseConfig({ ...env, OUTBOUND_PROXY: 'http://proxy.example:3128' })).toMatchObject({
      OUTBOUND_PROXY: 'http://proxy.example:3128/',
      ignoredProxies: [],
    });
    expect(parseConfig({ ...good, HTTP_PROXY: '', NO_PROXY: '*' }).ignoredProxies).toEqual([]);
  });

  it('lists every problem at once, with names and without values', () => {
    const problems = problemsOf({
      ...good,
      PUBLIC_URL: 'http://localhost:3000',
      BITRIX24_CLIENT_SECRET: '',
      PORT: 'x',
      DIRECTUM_URI: 'https://secret.example',
      BITRIX24_PORTAL: '',
    });
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
      'BITRIX24_CLIENT_SECRET',
      'BITRIX24_PORTAL',
      'DIRECTUM_URI',
      'PORT',
      'PUBLIC_URL',
    ]);
    expect(problems.join()).not.toContain('secret.example');
  });

  it('takes any value that the page allows', () => {
    const config = parseConfig({
      ...good,
      OPS_TOKEN: 'ops',
      DIRECTUM_POLL_SECONDS: '90000',
      DIRECTUM_WEB_URL: '',
    });
    expect(config).toMatchObject({ OPS_TOKEN: 'ops', DIRECTUM_POLL_SECONDS: 90_000 });
  });

  it('reads an address however it is written', () => {
    const config = parseConfig({
      ...good,
      BITRIX24_PORTALS: 'HTTPS://ACME.Bitrix24.RU:443/, ,http://[fd00::5]:8080,',
      PUBLIC_URL: 'https://Directum.example/',
      DIRECTUM_URL: 'https://RX.example/Integration/odata/#',
      DATABASE_URL: 'postgresql://user:pass%23word@/db?host=/run/postgresql',
    });
    expect(config).toMatchObject({
      BITRIX24_PORTALS: ['https://acme.bitrix24.ru', 'http://[fd00::5]:8080'],
      PUBLIC_URL: 'https://directum.example',
      DIRECTUM_URL: 'https://rx.example/Integration/odata/',
      DATABASE_URL: 'postgresql://user:pass%23word@/db?host=/run/postgresql',
    });
  });

  it.each([
    ['BITRIX24_RATE', '2'],
    ['BITRIX24_RATE', '2 / 50'],
    ['BITRIX24_RATE', '0/50'],
    ['BITRIX24_RATE', '2/9999999999'],
    ['BITRIX24_ANSWER_BATCH', '51'],
    ['BITRIX24_ANSWER_BATCH', '0'],
    ['BITRIX24_PORTALS', 'acme.bitrix24.ru'],
    ['BITRIX24_PORTALS', 'https://acme.bitrix24.ru/rest/'],
    ['BITRIX24_PORTALS', 'https://*.bitrix24.ru'],
    ['BITRIX24_PORTALS', 'https://acme.bitrix24.ru.'],
    ['PUBLIC_URL', 'https://example.'],
    ['DIRECTUM_URL', 'https://:pass-word@rx.example/'],
    ['DIRECTUM_WEB_URL', 'https://rx.example/Client/#/card/1'],
    ['DIRECTUM_AUTH', 'ntlm'],
    ['DIRECTUM_CA_FILE', '/no/such/file.pem'],
    ['DIRECTUM_POLL_SECONDS', '0'],
    ['DIRECTUM_DUE_DAYS', '30;7'],
    ['TIME_ZONE', 'Moscow'],
    ['FAILURES_SHOWN', 'on'],
    ['SECRET_KEYS', 'k1:short'],
    ['SECRET_KEYS', `k1:${'A'.repeat(43)}=,k1:${'B'.repeat(43)}=`],
    ['LOG_LEVEL', 'loud'],
    ['OUTBOUND_PROXY', 'proxy.example:3128'],
    ['OUTBOUND_PROXY', 'http://user:%pass-word@proxy.example'],
    ['OUTBOUND_PROXY', 'socks5://user:pass-word@proxy.example'],
    ['OUTBOUND_PROXY', 'http://user:pass-word@proxy.example/path'],
    ['DATABASE_URL', 'mysql://x'],
    ['DATABASE_URL', 'postgresql://user:pass#word@host/db'],
    ['DATABASE_URL', 'postgresql://user:pass-word@host:port/db'],
  ])('refuses %s=%s', (name, value) => {
    const problems = problemsOf({ ...good, [name]: value });
    expect(problems).toEqual([expect.stringContaining(name)]);
    expect(problems.join()).not.toMatch(/pass[-#]word/);
  });
});

it('a bad start ends with 1, names every problem on its own line and prints no value', () => {
  const env = {
    PATH: process.env['PATH'],
    ...good,
    PUBLIC_URL: 'https://localhost',
    BITRIX24_PORTALS: '',
    BITRIX24_SECRET: 'canary-1',
    DIRECTUM_URL: 'https://canary-2@rx.example/',
    DATABASE_URL: 'postgresql://user:canary-3#1@host/db',
    SECRET_KEYS: 'k1:canary-4',
    TIME_ZONE: 'Moscow',
  };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN], {
    env,
    cwd: tmpdir(),
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  const names = [...stderr.matchAll(/^ {2}- (\w+): .+$/gm)].map(([, name]) => name);
  expect(names.sort()).toEqual([
    'BITRIX24_PORTALS',
    'BITRIX24_SECRET',
    'DATABASE_URL',
    'DIRECTUM_URL',
    'PUBLIC_URL',
    'SECRET_KEYS',
    'TIME_ZONE',
  ]);
  expect(stdout + stderr).not.toMatch(/canary|hush|pass-word/);
});
