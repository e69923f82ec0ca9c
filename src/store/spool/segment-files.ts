import { randomBytes } from 'node:crypto';
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../lib/durable-files.ts';

const OPEN = '.open';
const DRAINING = '.draining';
const UNREADABLE = '.unreadable';

export interface Size {
  bytes: number;
  calls: number;
}

export interface Segment {
  name: string;
  file: FileHandle;
}

/** A file of the spool, in whichever state. */
export function isSegment(name: string): boolean {
  return /^\d+-[0-9a-f]+\.(open|draining|unreadable)$/.test(name);
}

/** Names of the segments that wait, oldest first. */
export async function listSegments(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(OPEN) || name.endsWith(DRAINING)).sort();
}

/** The number with which the name of a segment begins. */
export function numberOf(name: string): number {
  return Number.parseInt(name, 10) || 0;
}

/** Makes a segment whose name is durable. */
export async function createSegment(folder: string, number: number): Promise<Segment> {
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined)
    await syncFolder(join(folder, '..'));
  const name = `${String(number).padStart(12, '0')}-${randomBytes(6).toString('hex')}${OPEN}`;
  const file = await open(join(folder, name), 'ax', 0o600);
  try {
    await syncFolder(folder);
  } catch (error) {
    await file.close();
    throw error;
  }
  return { name, file };
}

/** True when the segment has its name still: no process has begun to drain it. */
export async function hasItsName(folder: string, name: string): Promise<boolean> {
  try {
    await access(join(folder, name));
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** What a segment holds, unless its size is the known one. Null: another process has finished it. */
export async function measureSegment(folder: string, name: string, known?: Size): Promise<Size | null> {
  try {
    const { size } = await stat(join(folder, name));
    if (known?.bytes === size) return known;
    return { bytes: size, calls: countLines(await readFile(join(folder, name))) };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** Renames a segment so that no process appends to it any more, and reads it. Null: another process has finished it. */
export async function claimSegment(
  folder: string,
  name: string,
): Promise<{ claimed: string; data: string } | null> {
  const claimed = name.replace(OPEN, DRAINING);
  try {
    if (claimed !== name) await rename(join(folder, name), join(folder, claimed));
    return { claimed, data: await readFile(join(folder, claimed), 'latin1') };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** Deletes a drained segment. `keep`: it is put aside under another name. */
export async function finishSegment(
  folder: string,
  claimed: string,
  { keep }: { keep: boolean },
): Promise<void> {
  const path = join(folder, claimed);
  try {
    if (keep) await rename(path, join(folder, claimed.replace(DRAINING, UNREADABLE)));
    else await rm(path, { force: true });
  } catch (error) {
    // Another process that drains the same segment may have been faster.
    if (!isGone(error)) throw error;
  }
}

export async function removeSegment(folder: string, name: string): Promise<void> {
  await rm(join(folder, name), { force: true });
}

/** Writes and deletes a small file. @throws what the disk says */
export async function probeFolder(folder: string): Promise<void> {
  const path = join(folder, `probe-${randomBytes(6).toString('hex')}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(randomBytes(4096));
    await file.datasync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function countLines(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) count += 1;
  return count;
}
