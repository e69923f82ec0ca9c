import { KeyvPostgres, type KeyvPostgresOptions } from '@keyv/postgres';
import Keyv from 'keyv';
import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';
import { SecretError, type SecretKeys } from './secrets.ts';

/** A pool, or the connection of a transaction. */
type Queries = Pick<pg.ClientBase, 'query'>;

/** @keyv/postgres on our pool and our migrated table, instead of its own pool, to whose errors nothing listens. */
class PooledKeyvPostgres extends KeyvPostgres {
  override async connect() {
    // The parent's constructor calls this before a field of ours could exist, so the pool comes in the options.
    const { pool } = this.opts as KeyvPostgresOptions & { pool: Queries };
    return async (sql: string, values?: unknown[]) => {
      if (sql.startsWith('CREATE ')) return [];
      return (await pool.query(sql, values)).rows;
    };
  }

  /** The pool is the store's. */
  override async disconnect() {}
}

/** Key-value store whose values are encrypted; an outage or an unreadable value is an error, never "absent". */
export function createEncryptedKv(options: { pool: Queries; keys: SecretKeys; namespace: string }): Keyv {
  const { pool, keys, namespace } = options;
  const adapter = new PooledKeyvPostgres({ table: 'keyv', pool } as KeyvPostgresOptions);
  return new Keyv({
    store: adapter,
    namespace,
    throwOnErrors: true,
    serialize: (data) => keys.encrypt(JSON.stringify(data), namespace),
    deserialize: (text) => JSON.parse(keys.decrypt(text, namespace)),
  });
}

/** A namespace as a small table of JSON documents. */
export interface Documents<T> {
  /** @throws SecretError when its key is gone */
  get(key: string): Promise<T | null>;
  /** `also` writes in the same transaction what belongs to the change. */
  set(key: string, value: T, also?: (client: pg.ClientBase) => Promise<void>): Promise<void>;
  delete(key: string): Promise<void>;
  /** A document whose key is gone has no value; the others are listed all the same. */
  list(): Promise<{ key: string; value: T | null }[]>;
}

export function createDocuments<T>(options: {
  pool: pg.Pool;
  keys: SecretKeys;
  namespace: string;
}): Documents<T> {
  const { pool, keys, namespace } = options;
  const kv = createEncryptedKv(options);
  const prefix = `${namespace}:`;
  return {
    get: async (key) => (await kv.get<T>(key)) ?? null,
    async set(key, value, also) {
      if (also === undefined) await kv.set(key, value);
      else
        await inTransaction(pool, async (client) => {
          await createEncryptedKv({ pool: client, keys, namespace }).set(key, value);
          await also(client);
        });
    },
    delete: async (key) => {
      await kv.delete(key);
    },
    async list() {
      const { rows } = await pool.query('SELECT key FROM keyv WHERE starts_with(key, $1) ORDER BY key', [
        prefix,
      ]);
      const names = rows.map((row) => (row.key as string).slice(prefix.length));
      const values = await Promise.all(
        names.map((key) =>
          kv.get<T>(key).catch((error) => {
            if (!(error instanceof SecretError)) throw error;
            return null;
          }),
        ),
      );
      return names.flatMap((key, index) => {
        const value = values[index];
        return value === undefined ? [] : [{ key, value }];
      });
    },
  };
}
