import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { StoredFile } from '../../robot/ports/files.ts';

/** A file among the parameters of a call, in the place of its base64 text: it is read while the request is sent. */
export class FileContent {
  readonly #file: StoredFile;

  constructor(file: StoredFile) {
    this.#file = file;
  }

  /** Length of the base64 text in bytes. */
  get length(): number {
    return 4 * Math.ceil(this.#file.size / 3);
  }

  /** The base64 text in pieces. @throws when the file is not the one that was stored, before its last piece */
  async *base64(): AsyncGenerator<string> {
    const hash = createHash('sha256');
    let rest = Buffer.alloc(0);
    for await (const chunk of this.#file.body) {
      hash.update(chunk);
      const bytes = Buffer.concat([rest, chunk]);
      // Three bytes make four letters; a remainder would be padded in the middle of the text.
      const whole = bytes.length - (bytes.length % 3);
      yield bytes.toString('base64', 0, whole);
      rest = bytes.subarray(whole);
    }
    if (hash.digest('hex') !== this.#file.sha256) throw new Error('the file changed on this machine');
    yield rest.toString('base64');
  }
}

/** The JSON of a call's parameters; with a file among them, as a stream of known length in bytes. */
export function toJsonBody(params: unknown): string | { stream: Readable; length: number } {
  const place = randomUUID();
  const files: FileContent[] = [];
  const json = JSON.stringify(params, (_, value: unknown) => {
    if (!(value instanceof FileContent)) return value;
    files.push(value);
    return place;
  });
  if (files.length === 0) return json;
  const texts = json.split(place);
  async function* pieces(): AsyncGenerator<string> {
    for (const [index, text] of texts.entries()) {
      yield text;
      yield* files[index]?.base64() ?? [];
    }
  }
  const length = files.reduce((sum, file) => sum + file.length, 0) + Buffer.byteLength(texts.join(''));
  return { stream: Readable.from(pieces()), length };
}
