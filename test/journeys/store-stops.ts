import pg from 'pg';

/** A write of ours at which the world is to stop: a row of `table` for which `when` holds. */
export interface StoreStop {
  name: string;
  on: string;
  when?: string;
}

const GATE = 7001;
const CAUGHT = 7002;

/**
 * Holds the first writer that comes to a stop, inside PostgreSQL and before its effect. When its process is dead,
 * `undo` makes the write never have happened, and `finish` lets it happen although nobody hears of it.
 */
export async function openStoreStops(url: string, stops: StoreStop[]) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    CREATE FUNCTION test_stop() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      -- A writer that passes holds nothing, so that a stop can be armed while another is held.
      IF pg_try_advisory_lock_shared(${GATE}, hashtext(TG_ARGV[0])) THEN
        PERFORM pg_advisory_unlock_shared(${GATE}, hashtext(TG_ARGV[0]));
      ELSIF pg_try_advisory_lock(${CAUGHT}, hashtext(TG_ARGV[0])) THEN
        PERFORM pg_advisory_xact_lock_shared(${GATE}, hashtext(TG_ARGV[0]));
      END IF;
      RETURN NEW;
    END $$`);
  for (const [index, { name, on, when }] of stops.entries())
    await client.query(
      `CREATE TRIGGER test_stop_${String(index).padStart(3, '0')} BEFORE ${on} FOR EACH ROW ${when ? `WHEN (${when})` : ''} EXECUTE FUNCTION test_stop('${name}')`,
    );
  const key = `classid = ${GATE} AND objid::bigint = (hashtext($1)::bigint & 4294967295)`;
  const holders = async (name: string) =>
    (
      await client.query(
        `SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted AND ${key}`,
        [name],
      )
    ).rows as { pid: number }[];
  return {
    arm: (name: string) => client.query('SELECT pg_advisory_lock($1, hashtext($2))', [GATE, name]),
    isCaught: async (name: string) => (await holders(name)).length > 0,
    async undo(name: string) {
      for (const { pid } of await holders(name)) await client.query('SELECT pg_terminate_backend($1)', [pid]);
      await this.finish(name);
    },
    finish: (name: string) => client.query('SELECT pg_advisory_unlock($1, hashtext($2))', [GATE, name]),
    close: () => client.end(),
  };
}
