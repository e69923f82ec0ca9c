import { KeyvPostgres, type KeyvPostgresOptions } from '@keyv/postgres';
import Keyv from 'keyv';
import type { Pool } from 'pg';
import { SecretError, type SecretKeys } from './secrets.ts';

/** @keyv/postgres on our pool and our migrated table, instead of its own pool, to whose errors nothing listens. */
class PooledKeyvPostgres extends KeyvPostgres {
  override async connect() {
    // The parent's constructor calls this before a field of ours could exist, so the pool comes in the options.
    const { pool } = this.opts as KeyvPostgresOptions & { pool: Pool };
    return async (sql: string, values?: unknown[]) => {
      if (sql.startsWith('CREATE ')) return [];
      return (await pool.query(sql, values)).rows;
    };
  }

  /** The pool is the store's. */
  override async disconnect() {}
}

/** Key-value store whose values are encrypted; an outage or an unreadable value is an error, never "absent". */
export function createEncryptedKv(options: { pool: Pool; keys: SecretKeys; namespace: string }): Keyv {
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
  set(key: string, value: T): Promise<void>;
  delete(key: string): Promise<void>;
  /** A document whose key is gone has no value; the others are listed all the same. */
  list(): Promise<{ key: string; value: T | null }[]>;
}

export function createDocuments<T>(options: { pool: Pool; kv: Keyv; namespace: string }): Documents<T> {
  const { pool, kv, namespace } = options;
  const prefix = `${namespace}:`;
  return {
    get: async (key) => (await kv.get<T>(key)) ?? null,
    set: async (key, value) => {
      await kv.set(key, value);
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
