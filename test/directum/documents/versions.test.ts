import { createHash } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { contract } from '../../../src/documents/types/document-types.ts';
import { RobotFailure } from '../../../src/robot/failure.ts';
import type { OpenFile } from '../../../src/robot/ports/files.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter, label } from '../stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;
let id: number;

beforeEach(async () => {
  stand = await startDirectum();
  bench = adapter(stand);
  const counterpartyId = stand.add('ICompanies', { Name: 'ООО' });
  ({ id } = await bench.directum.documents.create(contract, 'key', {
    subject: 'Поставка',
    documentKindId: 1,
    counterpartyId,
  }));
});
afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

function file(
  chunks: string[],
  name = 'Договор.DOCX',
  size: number | null = null,
): OpenFile & { cancelled: boolean } {
  const open = {
    name,
    size,
    cancelled: false,
    body: (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
    })(),
    cancel: async () => {
      open.cancelled = true;
    },
  };
  return open;
}
const store = (given: OpenFile) => bench.directum.versions.fromFile(contract, id, given);

it('streams a file into a new version', async () => {
  expect(await bench.directum.versions.hasBody(contract, id)).toBe(false);
  const chunks = ['', 'начало ', 'конец'];
  const bytes = Buffer.from(chunks.join(''));
  expect(await store(file(chunks))).toEqual({
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(stand.versions(id)).toMatchObject([{ number: 1, extension: 'docx', bytes }]);
  expect(await bench.directum.versions.hasBody(contract, id)).toBe(true);
  await store(file(['2']));
  expect(stand.versions(id).map(({ number }) => number)).toEqual([1, 2]);
});

it('fills the empty version a failed attempt left', async () => {
  stand.misbehave.next({ verb: 'PUT', path: 'Body', status: 503, body: 'x' });
  await expect(store(file(['a']))).rejects.toMatchObject({ code: 'directum_unavailable' });
  expect(await bench.directum.versions.hasBody(contract, id)).toBe(false);
  await store(file(['b']));
  expect(stand.versions(id)).toMatchObject([{ number: 1, bytes: Buffer.from('b') }]);
});

it('leaves no version of an empty file, an unknown extension or one without', async () => {
  for (const given of [
    file([]),
    file(['']),
    file(['a'], 'x.docx', 0),
    file(['a'], 'x.zzz'),
    file(['a'], 'Договор'),
    file(['a'], 'x.pdf', 300 * 2 ** 20),
  ]) {
    await expect(store(given)).rejects.toMatchObject({ code: 'file_unusable' });
    expect(given.cancelled).toBe(true);
  }
  expect(stand.versions(id)).toEqual([]);
  await expect(bench.directum.versions.checkFile({ name: 'a.pdf', size: null })).resolves.toBeUndefined();
});

it("passes the sender's own failure on", async () => {
  const cause = new RobotFailure('portal_unavailable', { ru: 'оборвалось', en: 'cut' });
  const broken: OpenFile = {
    ...file([]),
    body: (async function* () {
      yield Buffer.from('a');
      throw cause;
    })(),
  };
  await expect(store(broken)).rejects.toBe(cause);
});

it('makes a version from a template, once though the answer is cut', async () => {
  const template = await bench.directum.catalogue.template('Типовой договор', label);
  stand.misbehave.next({ verb: 'POST', path: 'CreateVersionFromTemplate', cutAfterEffect: true });
  await bench.directum.versions.fromTemplate(contract, id, template.id);
  expect(stand.versions(id)).toHaveLength(1);
  await expect(bench.directum.versions.fromTemplate(contract, id, 999_999)).rejects.toMatchObject({
    code: 'directum_refused',
  });
});

it('tells that the web server before Directum takes no file of this size', async () => {
  stand.misbehave.next({ verb: 'PUT', path: 'Body', status: 413, html: true });
  await expect(store(file(['a']))).rejects.toMatchObject({ code: 'file_unusable' });
});

it('takes a version whose bytes are lost for one with a body', async () => {
  await store(file(['a']));
  stand.misbehave.next({
    verb: 'GET',
    path: 'Body/$value',
    status: 500,
    body: 'Произошла непредвиденная ошибка',
    times: 2,
  });
  expect(await bench.directum.versions.hasBody(contract, id)).toBe(true);
});

it('holds no file open of a signed document that nobody reads, and gives a read one whole, each time', async () => {
  await store(file(['подписано']));
  const signed = () => bench.directum.states.fetchSigned({ id, name: 'Договор' });
  const unread = await signed();
  // An eager stream would have opened it by then, to be closed by nobody.
  await sleep(100);
  const descriptors = await readdir('/proc/self/fd').catch(() => []); // Linux only
  const held = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  expect(held.filter((path) => path.includes('directum-signed'))).toEqual([]);
  await unread.cancel();
  // Given back at once: a stream that opens now would find no file and end the process.
  for (let round = 0; round < 20; round += 1) await (await signed()).cancel();

  const read = await signed();
  for (const _time of ['once', 'again']) {
    const bytes = Buffer.concat(await Readable.from(read.body).toArray());
    expect(bytes.toString()).toBe('подписано');
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(read.sha256);
  }
  await read.cancel();
});
