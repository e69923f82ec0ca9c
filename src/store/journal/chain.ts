import type { SecretKeys } from '../secrets/secrets.ts';

/**
 * The text of a fact that a hash is made over, by PostgreSQL itself: jsonb prints one value in one way, whatever order or
 * spelling it was written in.
 */
export const FACT = `jsonb_build_array(id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), portal, item_code,
  document_id, type, actor, data)::text`;

/** The hash before the first line of a chain. */
export const BEGINNING = '';

/** What a line's hash is made over: its number, the hash before it, and its fact. */
export const toChained = (sealNo: number, before: string, fact: string): string =>
  `${sealNo}\n${before}\n${fact}`;

/** A sealed line as the chain sees it. */
export interface SealedLine {
  sealNo: number;
  hash: string;
  keyId: string;
  fact: string;
}

/** Where the chain stands: number and hash of a line. */
export interface ChainEnd {
  sealNo: number;
  hash: string;
}

/** The first line that is not as it was sealed, and why. */
export interface Broken {
  sealNo: number;
  why: 'missing' | 'changed' | 'key_missing';
}

/**
 * Follows the chain over lines in the order of their numbers: a line that was changed has another hash, one that was taken
 * out leaves a gap, one that was put in has no hash that fits. `before` is where the lines begin.
 */
export function followChain(
  lines: readonly SealedLine[],
  before: ChainEnd,
  seal: Pick<SecretKeys, 'signBy'>,
): { end: ChainEnd; broken: Broken | null } {
  let end = before;
  for (const { sealNo, hash, keyId, fact } of lines) {
    if (sealNo !== end.sealNo + 1) return { end, broken: { sealNo: end.sealNo + 1, why: 'missing' } };
    const expected = seal.signBy(keyId, toChained(sealNo, end.hash, fact));
    if (expected === null) return { end, broken: { sealNo, why: 'key_missing' } };
    if (expected !== hash) return { end, broken: { sealNo, why: 'changed' } };
    end = { sealNo, hash };
  }
  return { end, broken: null };
}
