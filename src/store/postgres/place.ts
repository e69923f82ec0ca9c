import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, open, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ToldError } from '../db/told-error.ts';

/** Whom PostgreSQL runs as; null is this process's own user. */
export type ServerUser = { uid: number; gid: number } | null;

/** Where the embedded cluster lives and how to reach it; kept in `postgres.json` (0600) of DATA_DIR. */
export interface Place {
  /** Folder with `cluster` and, when needed, a copy of the binaries. */
  home: string;
  cluster: string;
  password: string;
  /** Port of the last start, tried again so that live pools find the server after a restart; 0 is none yet. */
  port: number;
  user: ServerUser;
}

const SYSTEM_HOME = '/var/lib/bitrix24-directum-robots';
const NOBODY = 65534;

/**
 * Finds or chooses the place. The choice is written down once: folder rights that change later must give an
 * error, never a new empty database.
 */
export async function openPlace(dataDir: string): Promise<Place> {
  await mkdir(dataDir, { recursive: true });
  const root = process.getuid?.() === 0;
  const known = await readState(dataDir);
  const nobody = root ? nobodyUser() : null;
  const home =
    known?.home ?? (nobody ? await homeFor(nobody, dataDir) : join(await realpath(dataDir), 'postgres'));
  const cluster = join(home, 'cluster');

  if (existsSync(cluster) && !known) {
    throw new ToldError({
      en: `DATA_DIR: ${cluster} exists but ${statePath(dataDir)}, which holds its password, is missing: restore it`,
      ru: `DATA_DIR: есть ${cluster}, но нет файла ${statePath(dataDir)} с его паролем: восстановите файл`,
    });
  }
  if (known && known.port !== 0 && !existsSync(cluster)) {
    throw new ToldError({
      en: `DATA_DIR: ${cluster} is gone although it was started from ${statePath(dataDir)}: bring it back, or delete that file to begin with an empty database`,
      ru: `DATA_DIR: папки ${cluster} нет, хотя база запускалась из ${statePath(dataDir)}: верните папку или удалите этот файл, чтобы начать с пустой базы`,
    });
  }
  const owner = existsSync(cluster) ? statSync(cluster) : null;
  // A cluster made by an ordinary user goes on under that user when root starts the service.
  const user = !root ? null : owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody;
  await makeFolder(home, user);

  const place = { home, cluster, user, password: known?.password ?? randomBytes(24).toString('base64url') };
  if (!known) await saveState(dataDir, { ...place, port: 0 });
  return { ...place, port: known?.port ?? 0 };
}

/** Written to a neighbour and renamed: a crash leaves the old or the new state. */
export async function saveState(
  dataDir: string,
  place: Pick<Place, 'home' | 'password' | 'port'>,
): Promise<void> {
  const path = statePath(dataDir);
  const next = `${path}.${process.pid}`;
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ home: place.home, password: place.password, port: place.port }));
    await file.sync();
  } finally {
    await file.close();
  }
  if (process.getuid?.() === 0) {
    // Root beside an ordinary user's service must not lock that user out of the file.
    const folder = statSync(dataDir);
    await chown(next, folder.uid, folder.gid);
  }
  await rename(next, path);
}

/** Writes a file that the server's user can read, and nobody else. */
export async function writeFor(user: ServerUser, path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (user) await chown(path, user.uid, user.gid);
}

async function readState(dataDir: string): Promise<{ home: string; password: string; port: number } | null> {
  try {
    return JSON.parse(await readFile(statePath(dataDir), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (!(error instanceof SyntaxError)) throw error;
    const path = statePath(dataDir);
    throw new ToldError({
      en: `DATA_DIR: ${path} is damaged: restore it`,
      ru: `DATA_DIR: файл ${path} повреждён: восстановите его`,
    });
  }
}

/** Whether a cluster was ever made for this DATA_DIR; makes nothing. */
export async function isMade(dataDir: string): Promise<boolean> {
  const known = await readState(dataDir);
  const cluster = join(known?.home ?? join(dataDir, 'postgres'), 'cluster');
  // Where one was started and is gone, opening it says so.
  return (known !== null && known.port !== 0) || existsSync(cluster);
}

function statePath(dataDir: string): string {
  return join(dataDir, 'postgres.json');
}

/** Inside DATA_DIR where the unprivileged user can walk to it, else a system folder named by DATA_DIR. */
async function homeFor(user: { uid: number; gid: number }, dataDir: string): Promise<string> {
  const real = await realpath(dataDir);
  if (canWalk(user, real)) return join(real, 'postgres');
  const name = createHash('sha256').update(real).digest('hex').slice(0, 16);
  const base = await systemFolder(user);
  return join(base, name);
}

/** A root-owned folder every user can walk through: for data of a closed DATA_DIR and copies of the binaries. */
export async function systemFolder(user: { uid: number; gid: number }): Promise<string> {
  for (const base of [SYSTEM_HOME, join(tmpdir(), 'bitrix24-directum-robots')]) {
    try {
      await mkdir(base, { recursive: true, mode: 0o711 });
      // Under the shared temp folder somebody else may have made it first: use only what is root's.
      if (statSync(base).uid !== 0) continue;
      await chmod(base, 0o711);
      if (canWalk(user, base)) return base;
    } catch {
      // Read-only file system or no right: the next candidate decides.
    }
  }
  throw new ToldError({
    en: `DATA_DIR: no folder where the unprivileged user ${user.uid} can keep PostgreSQL: set DATABASE_URL`,
    ru: `DATA_DIR: нет папки, где непривилегированный пользователь ${user.uid} может держать PostgreSQL: задайте DATABASE_URL`,
  });
}

async function makeFolder(path: string, user: ServerUser): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (user) await chown(path, user.uid, user.gid);
}

function canWalk(user: { uid: number; gid: number }, path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    const { uid, gid, mode } = statSync(folder);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

function nobodyUser(): { uid: number; gid: number } {
  try {
    const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
    if (line) return { uid: Number(line[1]), gid: Number(line[2]) };
  } catch {
    // Distroless images have no such file; the number works without a name.
  }
  return { uid: NOBODY, gid: NOBODY };
}
