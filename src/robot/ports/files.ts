/** A file being read. Whoever opened it reads `body` to its end or calls `cancel`. */
export interface OpenFile {
  name: string;
  /** Bytes, when the sender says. */
  size: number | null;
  body: AsyncIterable<Uint8Array>;
  cancel(): Promise<void>;
}

/** A file that lies on this machine until `cancel`; its `body` may be read again. */
export interface StoredFile extends OpenFile {
  size: number;
  sha256: string;
}
