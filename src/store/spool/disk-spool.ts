import type { Log } from '../../robot/ports/log.ts';
import type { SecretKeys } from '../secrets/secrets.ts';
import {
  claimSegment,
  createSegment,
  finishSegment,
  hasItsName,
  isGone,
  listSegments,
  measureSegment,
  numberOf,
  probeFolder,
  removeSegment,
  type Segment,
  type Size,
} from './segment-files.ts';

const MAX_BYTES = 256 * 1024 * 1024;
const MAX_CALLS = 200_000;
const SEGMENT_BYTES = 8 * 1024 * 1024;
/** The most that one write and its fsync carry. */
const GROUP_BYTES = 4 * 1024 * 1024;
const PROBE_MS = 10_000;
const CONTEXT = 'spool';

/** A call was not kept because the spool holds as much as it may. */
export class SpoolFull extends Error {
  override readonly name = 'SpoolFull';
}

/** Calls on disk for the time the database is away; in segments of sealed lines, oldest first. */
export interface Spool {
  /**
   * Durable when the promise resolves. `share` is the part of the spool this kind of entry may fill, at most 1.
   * @throws SpoolFull, or what the disk said
   */
  append(text: string, share?: number): Promise<void>;
  /** Entries that wait. */
  waiting(): number;
  /** `down` while nothing can be appended: full, or the disk refused. Tries the disk now and then. */
  state(): Promise<'ok' | 'down'>;
  /**
   * Hands over what waits now, segment by segment in order of arrival; each is deleted once `handle` resolved.
   * Entries may come a second time, after a crash or through another process. @throws what `handle` threw
   */
  drain(handle: (texts: string[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  line: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Opens the spool in `folder`, with everything an earlier process left. Several processes may share it: a process that drains
 * renames the segment first, and one that appends checks after its fsync whether the segment still has its name; if not, the
 * line may have been read or not, so it is written once more elsewhere. An unusable folder is no error here.
 */
export async function openDiskSpool(options: {
  folder: string;
  keys: SecretKeys;
  log: Log;
  maxBytes?: number;
  maxCalls?: number;
  segmentBytes?: number;
}): Promise<Spool> {
  const { folder, keys, log, maxBytes = MAX_BYTES, maxCalls = MAX_CALLS } = options;
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
  const sizes = new Map<string, Size>();
  const reserved: Size = { bytes: 0, calls: 0 };
  let last = 0;
  let segment: Segment | null = null;
  let queue: Waiting[] = [];
  let writing: Promise<void> | null = null;
  let failed = false;
  let probedAt = Number.NEGATIVE_INFINITY;

  function total(): Size {
    const sum = { ...reserved };
    for (const { bytes, calls } of sizes.values()) {
      sum.bytes += bytes;
      sum.calls += calls;
    }
    return sum;
  }

  function hasRoom(bytes: number, share: number): boolean {
    const sum = total();
    return sum.bytes + bytes <= maxBytes * share && sum.calls + 1 <= maxCalls * share;
  }

  function note(error: unknown): void {
    if (error === null) {
      if (failed) log.info('spool.writable');
      failed = false;
    } else {
      if (!failed) log.error('spool.failed', { error });
      failed = true;
    }
  }

  /** Names of the segments in order; `sizes` is brought up to date with the folder. */
  async function readFolder(): Promise<string[]> {
    let names: string[] = [];
    try {
      names = await listSegments(folder);
    } catch (error) {
      if (!isGone(error)) note(error);
    }
    if (segment !== null && writing === null && !names.includes(segment.name)) await leaveSegment();
    for (const name of sizes.keys()) if (!names.includes(name) && name !== segment?.name) sizes.delete(name);
    for (const name of names) {
      last = Math.max(last, numberOf(name));
      if (name === segment?.name) continue;
      try {
        const size = await measureSegment(folder, name, sizes.get(name));
        if (size !== null) sizes.set(name, size);
      } catch (error) {
        note(error);
      }
    }
    return names;
  }

  async function openSegment(): Promise<Segment> {
    last += 1;
    const made = await createSegment(folder, last);
    sizes.set(made.name, { bytes: 0, calls: 0 });
    return made;
  }

  /** Nothing more is written there; a segment without a line is removed. */
  async function leaveSegment(): Promise<void> {
    const left = segment;
    segment = null;
    if (left === null) return;
    await left.file.close().catch(() => undefined);
    if (sizes.get(left.name)?.calls === 0) {
      await removeSegment(folder, left.name).catch(() => undefined);
      sizes.delete(left.name);
    }
  }

  async function writeGroup(group: Waiting[]): Promise<void> {
    const data = Buffer.concat(group.map(({ line }) => line));
    for (;;) {
      if (segment !== null && (sizes.get(segment.name)?.bytes ?? segmentBytes) >= segmentBytes)
        await leaveSegment();
      segment ??= await openSegment();
      const { name, file } = segment;
      await file.appendFile(data);
      await file.datasync();
      if (await hasItsName(folder, name)) {
        const size = sizes.get(name) ?? { bytes: 0, calls: 0 };
        sizes.set(name, { bytes: size.bytes + data.length, calls: size.calls + group.length });
        return;
      }
      sizes.delete(name);
      segment = null;
      await file.close();
    }
  }

  async function write(): Promise<void> {
    while (queue.length > 0) {
      let count = 0;
      for (let bytes = 0; count < queue.length && (count === 0 || bytes < GROUP_BYTES); count += 1)
        bytes += queue[count]?.line.length ?? 0;
      const group = queue.slice(0, count);
      queue = queue.slice(count);
      let error: unknown = null;
      try {
        await writeGroup(group);
      } catch (caught) {
        error = caught;
        // What of the group got there is unknown: the segment ends here, so that a torn line is always the last.
        await leaveSegment();
      }
      note(error);
      for (const { line, resolve, reject } of group) {
        reserved.bytes -= line.length;
        reserved.calls -= 1;
        if (error === null) resolve();
        else reject(error);
      }
    }
    writing = null;
  }

  async function probe(): Promise<void> {
    try {
      await probeFolder(folder);
      note(null);
    } catch (error) {
      note(error);
    }
  }

  async function drainSegment(name: string, handle: (texts: string[]) => Promise<void>): Promise<void> {
    // A write that is under way notices by itself.
    if (segment?.name === name && writing === null) await leaveSegment();
    const found = await claimSegment(folder, name);
    sizes.delete(name);
    if (found === null) return;
    const { claimed, data } = found;
    const lines = data.split('\n');
    const tail = lines.pop();
    if (tail) log.error('spool.torn_line', { segment: name, bytes: tail.length });
    sizes.set(claimed, { bytes: data.length, calls: lines.length });
    let unreadable = 0;
    const texts: string[] = [];
    for (const line of lines) {
      try {
        texts.push(keys.decrypt(line, CONTEXT));
      } catch (error) {
        unreadable += 1;
        log.error('spool.unreadable_line', { segment: name, reason: String(error) });
      }
    }
    if (texts.length > 0) await handle(texts);
    // A whole line that does not open may be a call of a key that is missing: it is put aside, not thrown away.
    await finishSegment(folder, claimed, { keep: unreadable > 0 });
    sizes.delete(claimed);
  }

  await readFolder();
  if (sizes.size > 0) log.warn('spool.found', { calls: total().calls });

  return {
    append(text, share = 1) {
      const line = Buffer.from(`${keys.encrypt(text, CONTEXT)}\n`, 'latin1');
      if (!hasRoom(line.length, share)) {
        log.error('spool.full', { calls: total().calls });
        return Promise.reject(new SpoolFull('the spool is full'));
      }
      reserved.bytes += line.length;
      reserved.calls += 1;
      return new Promise((resolve, reject) => {
        queue.push({ line, resolve, reject });
        // A turn later, so that calls of one moment share an fsync.
        writing ??= new Promise<void>((started) => setImmediate(started)).then(write);
      });
    },
    waiting: () => total().calls,
    async state() {
      if (performance.now() - probedAt > PROBE_MS || failed) {
        probedAt = performance.now();
        await probe();
      }
      return failed || !hasRoom(1, 1) ? 'down' : 'ok';
    },
    async drain(handle) {
      for (const name of await readFolder()) await drainSegment(name, handle);
    },
    async close() {
      await writing;
      await leaveSegment();
    },
  };
}
