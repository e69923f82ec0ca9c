import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { robots } from '../robots/index.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * What a room may import (docs/architecture.md, Rooms). `types` are rooms or files of which only types may be taken;
 * RobotFailure, what is done to texts, the words of statuses and what a data error is are the values that adapters share.
 */
interface Room {
  packages: string[];
  rooms: string[];
  types: string[];
  builtins: boolean;
}

const FAILURE = 'src/robot/failure.ts';
const LIB = 'src/lib';
/** How texts are cleaned, cut and read as codes, one way for all. */
const TEXT = 'src/lib/text.ts';
/** A table of words that the portal's fields and the texts of documents must share. */
const WORDS = 'src/documents/facts/status-words.ts';
/** Documents as data: the row of a type, which all rooms that work on its documents read. */
const TYPES = 'src/documents/types';
/** What an error of the database means for those who write. */
const DATA_ERROR = 'src/store/db/data-error.ts';
const OUTAGE = 'src/store/db/outage.ts';
/** How rows of a lane leave for portals, and what may become of them. */
const OUTBOX_HANDLER = 'src/outbox/handler.ts';
const STATUS = 'src/documents/observe/status.ts';
const STATUS_WORDS = 'src/documents/facts/status-words.ts';
const ROOMS: Record<string, Room> = {
  'src/lib': { packages: [], rooms: [], types: ['src/robot'], builtins: true },
  robots: {
    packages: ['zod'],
    rooms: ['src/robot', TEXT, TYPES, 'src/documents/make', STATUS, STATUS_WORDS],
    types: [],
    builtins: false,
  },
  'src/robot': { packages: ['zod'], rooms: [LIB], types: [TYPES], builtins: false },
  'src/bitrix24': {
    packages: ['@bitrix24/b24jssdk', 'zod'],
    rooms: [FAILURE, LIB, WORDS],
    types: ['src/robot', 'src/documents', 'src/journal'],
    builtins: true,
  },
  'src/directum': {
    packages: ['undici', 'odata-query', 'fast-xml-parser', 'cockatiel', 'zod'],
    rooms: [FAILURE, LIB, TYPES],
    types: ['src/robot', 'src/documents'],
    builtins: true,
  },
  'src/documents': {
    packages: [],
    rooms: ['src/robot', LIB, DATA_ERROR, OUTAGE, OUTBOX_HANDLER],
    types: ['src/store', 'src/journal'],
    builtins: true,
  },
  'src/outbox': {
    packages: [],
    rooms: [LIB, DATA_ERROR],
    types: ['src/robot', 'src/store'],
    builtins: true,
  },
  'src/runs': {
    packages: [],
    rooms: ['src/robot', LIB, DATA_ERROR, OUTAGE],
    types: ['src/store', 'src/documents', 'src/outbox'],
    builtins: true,
  },
  'src/store': {
    packages: ['pg', 'keyv', '@keyv/postgres', 'lru-cache', 'node-pg-migrate'],
    rooms: [LIB, TYPES],
    types: ['src/robot', 'src/documents', 'src/journal'],
    builtins: true,
  },
  'src/http': {
    packages: ['express', 'prom-client', 'qs'],
    rooms: [LIB],
    types: ['src/robot', 'src/journal'],
    builtins: true,
  },
  'src/command': {
    packages: [],
    rooms: ['src/config.ts', 'src/log.ts', FAILURE, LIB],
    types: [],
    builtins: true,
  },
  'src/journal': { packages: [], rooms: [LIB], types: ['src/robot', 'src/documents'], builtins: true },
  'src/rules': {
    packages: ['yaml', 'zod'],
    rooms: ['src/robot', LIB, TYPES],
    types: [],
    builtins: false,
  },
  'src/own-robots': {
    packages: [],
    rooms: ['robots', 'src/robot', TYPES, 'src/documents/make', 'src/store/db/told-error.ts'],
    types: [],
    builtins: true,
  },
  'src/config.ts': { packages: ['zod'], rooms: [LIB], types: [], builtins: true },
  'src/log.ts': { packages: ['pino'], rooms: [LIB], types: ['src/robot'], builtins: true },
};
/**
 * The sub-rooms of a room, innermost first: each may import those before it and itself, and only their types of those after
 * it. Files of the room itself may import all of them.
 */
const SUB_ROOMS: Record<string, string[]> = {
  'src/bitrix24': ['rest', 'auth', 'crm', 'robots', 'deal', 'registration', 'install'],
  'src/directum': ['http', 'odata', 'directories', 'counterparties', 'tasks', 'documents'],
  'src/documents': ['types', 'make', 'ports', 'observe', 'facts', 'deliver', 'reconcile'],
  'src/rules': ['tables', 'fill', 'check'],
  'src/runs': ['intake', 'work', 'watch', 'answer', 'retention'],
  'src/store': [
    'db',
    'locks',
    'limits',
    'secrets',
    'spool',
    'postgres',
    'journal',
    'feeds',
    'runs',
    'documents',
    'outbox',
    'rules',
    'backup',
  ],
};
/** Files a folder holds at the most before it is parted into sub-rooms. */
const MOST_FILES = 9;
/** Where the rooms are put together: these may import any room, and no package of theirs. */
const COMPOSITION = [
  'src/main.ts',
  'src/check-item.ts',
  'src/portal-rules.ts',
  'src/service.ts',
  'src/modules.ts',
  'src/work.ts',
  'src/run-workers.ts',
];

interface Import {
  from: string;
  typeOnly: boolean;
}

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The code without its comments, so that a word in prose is not taken for a use. */
function codeOf(file: string): string {
  return read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$|\s\/\/\s.*$/gm, '');
}

function importsOf(code: string): Import[] {
  const found: Import[] = [];
  for (const [, what = '', from = ''] of code.matchAll(
    /^(?:import|export)\s+([^;'"]*?)\s*from\s*['"]([^'"]+)['"]/gm,
  )) {
    const names = /^\{([^}]*)\}$/.exec(what)?.[1]?.split(',') ?? [];
    const named = names.map((name) => name.trim()).filter((name) => name !== '');
    const allTypes = named.length > 0 && named.every((name) => name.startsWith('type '));
    found.push({ from, typeOnly: what.startsWith('type ') || allTypes });
  }
  for (const [, from = ''] of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm))
    found.push({ from, typeOnly: false });
  for (const [, from = ''] of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    found.push({ from, typeOnly: false });
  return found;
}

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name);
}

function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

function isInside(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || file.startsWith(`${place}/`));
}

function roomOf(file: string): string | undefined {
  return Object.keys(ROOMS).find((name) => isInside(file, [name]));
}

/** What a file's imports do that its room may not; empty when all is well. */
function violations(file: string, code: string): string[] {
  const name = roomOf(file);
  const room = name === undefined ? undefined : ROOMS[name];
  if (!name || !room) return [`${file} is in no room`];
  const wrong: string[] = [];
  for (const { from, typeOnly } of importsOf(code)) {
    if (isBuiltin(from)) {
      if (!room.builtins) wrong.push(`${file} imports ${from}`);
    } else if (!from.startsWith('.')) {
      if (!room.packages.includes(packageOf(from))) wrong.push(`${file} imports the package ${from}`);
    } else {
      const target = posix.join(posix.dirname(file), from);
      const sibling = isInside(target, [name]) && (name !== 'robots' || file === 'robots/index.ts');
      const allowed = sibling || isInside(target, room.rooms) || (typeOnly && isInside(target, room.types));
      if (!allowed) wrong.push(`${file} imports ${typeOnly ? 'types of ' : ''}${target}`);
    }
  }
  return wrong;
}

/** What a file's imports do that the order of its sub-rooms forbids. */
function outwards(file: string, code: string): string[] {
  const name = roomOf(file) ?? '';
  const order = SUB_ROOMS[name] ?? [];
  const rank = (path: string) => {
    const [first = '', ...rest] = path.slice(name.length + 1).split('/');
    return rest.length === 0 ? order.length : order.indexOf(first);
  };
  return importsOf(code)
    .filter(({ from, typeOnly }) => from.startsWith('.') && !typeOnly)
    .map(({ from }) => posix.join(posix.dirname(file), from))
    .filter((target) => isInside(target, [name]) && rank(target) > rank(file))
    .map((target) => `${file} imports ${target}`);
}

const SOURCES = [...files('robots'), ...files('src')];

describe('rooms', () => {
  it('import only what their table allows', () => {
    const inRooms = SOURCES.filter((file) => !COMPOSITION.includes(file));
    expect(inRooms.flatMap((file) => violations(file, codeOf(file)))).toEqual([]);
  });

  it.each([
    ['robots/x.ts', "import { createContract } from './create-contract.ts';"],
    ['robots/x.ts', "import { readFile } from 'node:fs/promises';"],
    ['robots/x.ts', "import type { Pool } from 'pg';"],
    ['src/robot/x.ts', "import { createHash } from 'node:crypto';"],
    ['src/bitrix24/x.ts', "import { runRobot } from '../robot/run-robot.ts';"],
    ['src/directum/x.ts', "import {\n  type A,\n  b,\n} from '../bitrix24/call.ts';"],
    ['src/runs/x.ts', "import { openStore } from '../store/store.ts';"],
    ['src/http/x.ts', "const pg = await import('pg');"],
    ['src/somewhere/x.ts', ''],
  ])('a violation would be seen: %s %j', (file, code) => {
    expect(violations(file, code)).toHaveLength(1);
  });

  it('keep the order of their sub-rooms', () => {
    const parted = SOURCES.filter((file) => SUB_ROOMS[roomOf(file) ?? ''] !== undefined);
    expect(parted.flatMap((file) => outwards(file, codeOf(file)))).toEqual([]);
    const code = "import { createItemReader } from '../crm/item-reader.ts';";
    expect(outwards('src/bitrix24/rest/x.ts', code)).toHaveLength(1);
    expect(outwards('src/bitrix24/robots/x.ts', code)).toEqual([]);
    expect(outwards('src/bitrix24/rest/x.ts', code.replace('import {', 'import type {'))).toEqual([]);
  });

  it('have a table for each of their sub-rooms, and few files a folder', () => {
    const folders = Map.groupBy(
      SOURCES.filter((file) => file.startsWith('src/')),
      (file) => posix.dirname(file),
    );
    const known = Object.entries(SUB_ROOMS).flatMap(([room, subs]) => subs.map((sub) => `${room}/${sub}`));
    const inSubRooms = [...folders.keys()].filter(
      (folder) => isInside(folder, Object.keys(SUB_ROOMS)) && !(folder in SUB_ROOMS),
    );
    expect(inSubRooms.filter((folder) => !isInside(folder, known))).toEqual([]);
    expect([...folders].filter(([, inside]) => inside.length > MOST_FILES).map(([folder]) => folder)).toEqual(
      [],
    );
  });

  it('are put together in a short service', () => {
    expect(read('src/service.ts').split('\n').length).toBeLessThanOrEqual(151);
  });

  it('are put together without packages of their own', () => {
    const packages = COMPOSITION.flatMap((file) =>
      importsOf(codeOf(file)).filter(({ from }) => !from.startsWith('.') && !isBuiltin(from)),
    );
    expect(packages).toEqual([]);
  });

  it('share no runtime dependency but zod, and each dependency is used', () => {
    const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const users = new Map<string, Set<string>>();
    for (const file of SOURCES) {
      for (const { from } of importsOf(codeOf(file))) {
        if (from.startsWith('.') || isBuiltin(from)) continue;
        const of = users.get(packageOf(from)) ?? new Set();
        users.set(packageOf(from), of.add(roomOf(file) ?? file));
      }
    }
    // `node` is the runtime itself, for machines whose own Node is older; nobody imports it.
    const dependencies = Object.keys(manifest.dependencies).filter(
      (name) => name !== 'node' && name !== 'zod',
    );
    expect(
      Object.fromEntries(dependencies.map((name) => [name, [...(users.get(name) ?? [])].length])),
    ).toEqual(Object.fromEntries(dependencies.map((name) => [name, 1])));
    expect([...users.keys()].filter((name) => !Object.hasOwn(manifest.dependencies, name))).toEqual([]);
  });
});

it('nothing is exported that nobody imports', () => {
  // What robots outside the package import by its name.
  const faces = ['src/own-robots/public.ts', 'src/own-robots/robot-bench.ts'];
  const texts = [...SOURCES, ...files('scripts'), ...files('test')].map((file) => ({
    file,
    code: codeOf(file),
  }));
  const unused = texts
    .filter(({ file }) => SOURCES.includes(file) && !faces.includes(file))
    .flatMap(({ file, code }) => {
      const exported = code.matchAll(/^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm);
      const importers = texts.filter(
        (one) => one.file !== file && one.code.includes(`/${posix.basename(file)}'`),
      );
      return [...exported]
        .map(([, name = '']) => name)
        .filter((name) => !importers.some((one) => new RegExp(`\\b${name}\\b`).test(one.code)))
        .map((name) => `${file}: ${name}`);
    });
  expect(unused).toEqual([]);
});

it('only main.ts reads the environment and the clock', () => {
  const reading = /process\.env|\bDate\.now\b|\bnew Date\(\s*\)/;
  const lines = SOURCES.filter((file) => file !== 'src/main.ts').flatMap((file) =>
    codeOf(file)
      .split('\n')
      .filter((line) => reading.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(lines).toEqual([]);
});

it('what lives only in memory goes by performance.now(), which nobody sets', () => {
  // Moments that leave the process, or came from outside, and are compared by the wall clock.
  const wall = [
    'src/bitrix24/rest/batch.ts',
    'src/bitrix24/auth/installation.ts',
    'src/bitrix24/registration/installed-robots.ts',
    'src/bitrix24/install/registration-check.ts',
    'src/bitrix24/install/removals.ts',
    'src/bitrix24/auth/tokens.ts',
    'src/directum/odata/lookup-cache.ts',
    'src/directum/odata/metadata.ts',
    'src/directum/self-check.ts',
    'src/directum/http/token.ts',
  ];
  const found = SOURCES.filter(
    (file) => /^src\/(bitrix24|directum|http)\//.test(file) && /\bnow(\(\))?\.getTime\(/.test(codeOf(file)),
  );
  expect(found.toSorted()).toEqual(wall.toSorted());
});

it('robots, their files and their codes are the same list', () => {
  const inFolder = files('robots')
    .filter((file) => file !== 'robots/index.ts')
    .map((file) => posix.basename(file, '.ts'));
  const byCode = robots.map(({ code }) => code.replace(/^directum_/, '').replaceAll('_', '-'));
  expect(robots.every(({ code }) => code.startsWith('directum_'))).toBe(true);
  expect(byCode.toSorted()).toEqual(inFolder.toSorted());
});

it('nothing is called utils or helpers', () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|shared)(\.ts|\/)/;
  const all = [...SOURCES, ...files('scripts'), ...files('test')];
  expect(all.filter((file) => vague.test(file))).toEqual([]);
});

describe('texts', () => {
  const linesOf = (folders: string[], wrong: RegExp, except: string[]) =>
    folders.flatMap(files).flatMap((file) =>
      codeOf(file)
        .split('\n')
        .filter((line) => wrong.test(line) && !except.includes(file))
        .map((line) => `${file}: ${line.trim()}`),
    );

  it('are cut in one way', () => {
    const own = /\.substr(ing)?\(|\[\.\.\.\w+\]\s*\.slice\(|\.slice\(0,.*…/;
    expect(linesOf(['src', 'robots', 'scripts'], own, [TEXT])).toEqual([]);
    expect(
      ['text.substring(0, 60)', '[...name].slice(0, 5)', '`${text.slice(0, 60)}…`'].every((line) =>
        own.test(line),
      ),
    ).toBe(true);
  });

  it('of others are parsed cleaned', () => {
    // Of a token only the number of its end is read.
    const borders = ['src/bitrix24', 'src/directum', 'src/http'];
    expect(linesOf(borders, /JSON\.parse\(/, ['src/directum/http/token.ts'])).toEqual([]);
  });
});
