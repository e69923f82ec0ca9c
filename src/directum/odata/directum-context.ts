import type { Reader } from './list-reader.ts';
import type { LookupCache } from './lookup-cache.ts';
import type { Metadata } from './metadata.ts';

/** What every reader of directories needs of one Directum. */
export interface DirectumContext {
  reader: Reader;
  metadata: Metadata;
  lookups: LookupCache;
}
