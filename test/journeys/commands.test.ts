import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasOpenssl, makeCertificate } from '../certificate.ts';
import { openFolder, type StoreBench, storeBench } from '../store/bench.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { runProcess } from './command.ts';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  scripts: Record<string, string>;
};
/** No commands of ours but tools that a command of ours runs, and what npm runs by itself. */
const TOOLS = ['postinstall', 'typecheck', 'lint', 'test'];
/** Every command, with its file and what package.json gives it. */
const COMMANDS = Object.entries(scripts)
  .filter(([name]) => !TOOLS.includes(name))
  .map(([name, line]) => {
    const [, file = '', given = ''] = /^node .*?(\S+\.ts)(.*)$/.exec(line) ?? [];
    return { name, file, given: given.trim().split(' ').filter(Boolean) };
  });
/** A call that would do something, of those that need settings. */
const AT_WORK: Record<string, string[]> = {
  start: [],
  register: ['--apply'],
  doctor: [],
  runs: ['list'],
  reconcile: [],
  journal: ['list'],
  backup: ['robots.backup'],
  restore: ['robots.backup'],
};
/** Only these may make an embedded database (interface.md §1). */
const MAKERS = ['start', 'demo', 'restore'];
const LANGUAGES = { en: 'en_US.UTF-8', ru: 'ru_RU.UTF-8' };
const CYRILLIC = /[а-яё]/i;
const inBoth = (work: (language: string, LANG: string) => Promise<void>) =>
  Promise.all(Object.entries(LANGUAGES).map(([language, LANG]) => work(language, LANG)));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'commands-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A working folder of its own, and what is in it afterwards. */
async function inFolder(
  name: string,
  args: string[],
  env: Record<string, string>,
  files: Record<string, string> = {},
) {
  const folder = await mkdtemp(join(home, `${name}-`));
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  const { file } = COMMANDS.find((one) => one.name === name) as (typeof COMMANDS)[number];
  const ended = await runProcess(file.includes('/') ? file : `./${file}`, args, env, folder);
  return { ...ended, folder, left: (await readdir(folder)).filter((one) => !(one in files)) };
}

/** Settings that are all right; nobody is at their addresses. */
const GOOD = {
  PUBLIC_URL: 'http://127.0.0.1:9',
  BITRIX24_CLIENT_ID: 'local.1',
  BITRIX24_CLIENT_SECRET: 'canary-secret',
  BITRIX24_PORTALS: 'http://127.0.0.1:9',
  BITRIX24_OAUTH_SERVERS: 'http://127.0.0.1:9',
  DIRECTUM_URL: 'http://127.0.0.1:9/odata/',
  DIRECTUM_LOGIN: 'bitrix24',
  DIRECTUM_PASSWORD: 'canary-password',
  BACKUP_PASSPHRASE: 'correct horse battery staple',
};
const REQUIRED = Object.keys(GOOD).filter((name) => !/OAUTH|PASSPHRASE/.test(name));

describe.each(COMMANDS)('npm run $name', ({ name, file, given }) => {
  it('says what it does, in one language, without settings', async () => {
    expect(file).toMatch(/^(scripts|src)\/.+\.ts$/);
    await inBoth(async (language, LANG) => {
      const { code, out, err, left } = await inFolder(name, [...given, '--help'], { LANG });
      expect({ language, code, err, left }).toEqual({ language, code: 0, err: '', left: [] });
      expect(CYRILLIC.test(out), out).toBe(language === 'ru');
      expect(out).toMatch(language === 'ru' ? /^использование: npm /m : /^usage: npm /m);
      expect(out).toContain('--help ');
    });
  }, 60_000);

  it('refuses what it does not know, with its usage, and does nothing', async () => {
    await inBoth(async (language, LANG) => {
      const { code, out, err, left } = await inFolder(name, [...given, '--no-such'], { LANG });
      expect({ language, code, out, left }).toEqual({ language, code: 1, out: '', left: [] });
      expect(err).toContain('--no-such');
      expect(err).toMatch(language === 'ru' ? /^использование: npm /m : /^usage: npm /m);
      expect(CYRILLIC.test(err), err).toBe(language === 'ru');
    });
    const words = Array.from({ length: 9 }, (_, n) => `no-such-${n}`);
    const { code, out, err, left } = await inFolder(name, [...given, ...words], {});
    expect({ code, out, left }).toEqual({ code: 1, out: '', left: [] });
    expect(err).toMatch(/no-such-\d[\s\S]*usage: npm /);
  }, 60_000);
});

describe.each(Object.entries(AT_WORK))('npm run %s', (name, args) => {
  it('stops at bad settings before it makes anything, and names them all without their values', async () => {
    await inBoth(async (language, LANG) => {
      const bad = { PORT: 'canary-port', DIRECTUM_PASSWRD: 'canary-typo', BITRIX24_CLIENT_SECRET: '' };
      const { code, out, err, left } = await inFolder(name, args, { LANG, ...bad });
      expect({ language, code, left }).toEqual({ language, code: 1, left: [] });
      const named = [...err.matchAll(/^ {2}- (\w+): /gm)].map(([, setting]) => setting);
      expect(named.sort()).toEqual([...REQUIRED, 'DIRECTUM_PASSWRD', 'PORT'].sort());
      expect(CYRILLIC.test(err), err).toBe(language === 'ru');
      expect(out + err).not.toContain('canary');
    });
  }, 60_000);

  it.skipIf(MAKERS.includes(name))(
    'makes nothing where no database is, and says so',
    async () => {
      await inBoth(async (language, LANG) => {
        const { code, out, err, left, folder } = await inFolder(name, args, { ...GOOD, LANG });
        expect({ language, code, left }).toEqual({ language, code: 1, left: [] });
        expect(out + err).toContain(
          `DATA_DIR — ${join(folder, 'data')}`.replace(' — ', language === 'ru' ? ' — ' : ' is '),
        );
        expect(out + err).toContain('npm start');
        expect(CYRILLIC.test(out + err), out + err).toBe(language === 'ru');
        expect(out + err).not.toMatch(/canary|\n\s+at /);
      });
    },
    60_000,
  );
});

describe('.env of the working folder', () => {
  const lines = [
    ...Object.entries(GOOD).map(([name, value]) => `${name}=${value}`),
    "DATA_DIR='data # of mine'",
    'TIME_ZONE="Europe/Moscow" # here',
  ];

  it('is read with quotes, CRLF and a byte order mark, and the environment wins', async () => {
    const env = { '.env': `\uFEFF${lines.join('\r\n')}\r\n` };
    const own = await inFolder('runs', ['list'], {}, env);
    expect(own).toMatchObject({ code: 1, out: '', left: [] });
    expect(own.err).toContain(`DATA_DIR is ${join(own.folder, 'data # of mine')},`);
    const other = await inFolder('runs', ['list'], { DATA_DIR: 'elsewhere' }, env);
    expect(other.err).toContain(`DATA_DIR is ${join(other.folder, 'elsewhere')},`);
  });

  it('is a place of settings like the environment: what is wrong in it is named with the rest', async () => {
    const broken = lines.toSpliced(0, 1, 'PUBLIC_URL https://canary.example');
    const env = { '.env': [...broken, 'DIRECTUM_PUSH=canary-typo', 'PORT=canary'].join('\n') };
    const { code, err, left } = await inFolder('backup', ['robots.backup'], {}, env);
    expect({ code, left }).toEqual({ code: 1, left: [] });
    const named = [...err.matchAll(/^ {2}- ([\w.:]+): /gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(['.env:1', 'DIRECTUM_PUSH', 'PORT', 'PUBLIC_URL']);
    expect(err).not.toContain('canary');
  });
});

describe('what an operator can mend is said in words', () => {
  /** A port nobody listens on, and one that somebody has. */
  let taken: ReturnType<typeof createServer>;
  let port: number;
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = (taken.address() as AddressInfo).port;
  });
  afterAll(() => void taken.close());

  const wordsOf = async (name: string, args: string[], env: Record<string, string>) => {
    const { code, out, err } = await inFolder(name, args, { ...GOOD, ...env });
    expect(code).toBe(1);
    expect(out + err).not.toMatch(/canary|\n\s+at |\bstack\b|TypeError/);
    return err;
  };

  it('an address of DATABASE_URL where nobody is', async () => {
    const DATABASE_URL = 'postgresql://robots:canary-db@127.0.0.1:9/directum';
    expect(await wordsOf('runs', ['list'], { DATABASE_URL, SECRET_KEYS: KEYS })).toBe(
      'DATABASE_URL: PostgreSQL at 127.0.0.1:9 cannot be reached: nothing listens there (ECONNREFUSED).\n',
    );
    const unknown = {
      DATABASE_URL: 'postgresql://robots:canary@no-such-host.invalid/directum',
      SECRET_KEYS: KEYS,
    };
    expect(await wordsOf('reconcile', [], { ...unknown, LANG: 'ru_RU' })).toMatch(
      /^DATABASE_URL: PostgreSQL по адресу no-such-host.invalid:5432 недоступен: .*DNS.* \((ENOTFOUND|EAI_AGAIN)\)\.\n$/,
    );
  });

  it.skipIf(!hasOpenssl)(
    'a certificate that is not accepted',
    async () => {
      const { key, cert, certFile } = makeCertificate(home);
      const server = createTlsServer({ key, cert }, (_, response) => response.end('{}'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const env = { ...GOOD, DIRECTUM_URL: `https://${at}/odata/` };
      const { code, out } = await inFolder('doctor', [], env);
      expect(code).toBe(1);
      expect(out).toContain(
        `✗ directum: DIRECTUM_CA_FILE: the certificate of ${at} is not accepted: its certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT).`,
      );
      // The control: with its authority named, the certificate is no matter any more.
      expect((await inFolder('doctor', [], { ...env, DIRECTUM_CA_FILE: certFile })).out).not.toContain(
        'certificate of',
      );
      server.close();
      server.closeAllConnections();
    },
    60_000,
  );

  it('a DATA_DIR that cannot be one', async () => {
    const file = join(home, 'a-file');
    await writeFile(file, '');
    const DATA_DIR = join(file, 'data');
    expect(await wordsOf('start', [], { DATA_DIR })).toMatch(
      new RegExp(`^DATA_DIR: ${DATA_DIR}\\S*: a part of the path is no folder \\(ENOTDIR\\)\\.\\n$`),
    );
  });

  it('a port that is taken; the database started for nothing is stopped again', async () => {
    const DATA_DIR = await openFolder();
    await layCluster(DATA_DIR);
    const words = await wordsOf('start', [], { DATA_DIR, HOST: '127.0.0.1', PORT: String(port) });
    expect(words).toContain(`PORT, HOST: another program listens on 127.0.0.1:${port} already.`);
    const state = JSON.parse(readFileSync(join(DATA_DIR, 'postgres.json'), 'utf8'));
    expect(await readdir(join(state.home, 'cluster'))).not.toContain('postmaster.pid');
    await rm(DATA_DIR, { recursive: true, force: true });
  }, 60_000);

  it('a FILE that is not there, and one that cannot be written', async () => {
    const DATA_DIR = await openFolder();
    await layCluster(DATA_DIR);
    await writeFile(join(DATA_DIR, 'keys'), `${KEYS}\n`);
    const absent = join(home, 'absent', 'robots.backup');
    expect(await wordsOf('backup', [absent], { DATA_DIR })).toBe(`${absent}: it is not there (ENOENT).\n`);
    const folder = join(home, 'a-folder');
    await mkdir(join(folder, 'inside'), { recursive: true });
    expect(await wordsOf('backup', [folder], { DATA_DIR })).toMatch(
      new RegExp(`^${folder}: it is a folder \\(E(ISDIR|NOTEMPTY)\\)\\.\\n$`),
    );
    expect(await readdir(home)).not.toContainEqual(expect.stringMatching(/partial/));
    expect(await wordsOf('restore', [absent], {})).toBe(
      `nothing was restored: ${absent}: it is not there (ENOENT).\n`,
    );
    await rm(DATA_DIR, { recursive: true, force: true });
  }, 60_000);
});

describe('a database of the operator’s own', () => {
  let bench: StoreBench;
  let url: string;
  beforeAll(async () => {
    bench = await storeBench();
    ({ url } = await bench.open());
  });
  afterAll(() => bench.close());

  const said = async (name: string, args: string[], env: Record<string, string>) => {
    const { code, out, err, left } = await inFolder(name, args, { ...GOOD, SECRET_KEYS: KEYS, ...env });
    expect({ code, left }).toEqual({ code: 1, left: [] });
    return out + err;
  };
  const tables = async (schema: string) => {
    const store = await bench.open();
    const { rows } = await store.pool.query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [
      schema,
    ]);
    return rows.length;
  };

  it('gets no tables by a command beside the service', async () => {
    const store = await bench.open();
    await store.pool.query('CREATE SCHEMA unused');
    const DATABASE_URL = `${url}?options=-csearch_path%3Dunused`;
    for (const name of ['register', 'doctor', 'runs', 'reconcile', 'backup'])
      expect(await said(name, AT_WORK[name] as string[], { DATABASE_URL })).toContain(
        'There are no tables yet',
      );
    expect(await tables('unused')).toBe(0);
    expect(await tables('public')).toBeGreaterThan(10);
  }, 60_000);

  it('of an earlier version is left as it is until the service is started', async () => {
    const store = await bench.open();
    const last = 'SELECT max(id) FROM schema_migration';
    const { rows } = await store.pool.query(`DELETE FROM schema_migration WHERE id = (${last}) RETURNING *`);
    const count = () => store.pool.query('SELECT count(*)::int AS count FROM schema_migration');
    const before = await count();
    for (const name of ['doctor', 'runs', 'backup'])
      expect(await said(name, AT_WORK[name] as string[], { DATABASE_URL: url })).toContain(
        'of an earlier version',
      );
    expect((await count()).rows).toEqual(before.rows);
    const [{ id, name, run_on }] = rows;
    await store.pool.query('INSERT INTO schema_migration VALUES ($1, $2, $3)', [id, name, run_on]);
    expect((await inFolder('runs', ['list'], { ...GOOD, SECRET_KEYS: KEYS, DATABASE_URL: url })).out).toBe(
      'RUN_ID  TIME  ROBOT  ITEM  STATE  ATTEMPTS\nno runs\n',
    );
  }, 60_000);

  it('that does not take the password is named with its user, not with its password', async () => {
    const wrong = new URL(url);
    wrong.password = 'canary-wrong';
    const words = await said('register', [], { DATABASE_URL: wrong.href });
    expect(words).toBe(
      `DATABASE_URL: PostgreSQL at ${wrong.host} does not let user directum in: check name and password.\n`,
    );
    expect(await said('start', [], { DATABASE_URL: wrong.href, LANG: 'ru' })).toContain(
      `DATABASE_URL: PostgreSQL по адресу ${wrong.host} не принимает пользователя directum`,
    );
  }, 60_000);

  it('without the key of the service is told so, and no other key is made', async () => {
    const env = { ...GOOD, DATABASE_URL: url };
    const { code, err, left, folder } = await inFolder('runs', ['list'], env);
    expect({ code, left }).toEqual({ code: 1, left: [] });
    expect(err).toContain(
      `There is no key: SECRET_KEYS is not set and ${join(folder, 'data', 'keys')} is not there.`,
    );
  });
});

const KEYS = `k1:${Buffer.alloc(32, 7).toString('base64')}`;

it('backup refuses a passphrase under twelve characters', async () => {
  const short = { ...GOOD, BACKUP_PASSPHRASE: 'canary-pass' };
  const { code, out, err, left } = await inFolder('backup', ['robots.backup'], short);
  expect({ code, out, left }).toEqual({ code: 1, out: '', left: [] });
  expect(err).toContain('BACKUP_PASSPHRASE: 12 characters at least');
  expect(err).not.toContain('canary');
});
