import type pg from 'pg';

/**
 * Raised with a release whose calls an earlier one must not work off, or whose rows it cannot read: one that knows no
 * `check_only` (before 2) would make what was only to be checked, and to one that knows no sealed content (before 3) its
 * envelopes are no snapshots. Connections of our processes carry it in their name; those of releases before the second carry none.
 */
const VERSION = 3;

/** Name of the connections of a pool, as `pg_stat_activity` shows them. */
export const poolName = (name: 'directum-robots' | 'directum-robots-relaxed'): string =>
  `${name} v${VERSION}`;

/** Is a process of an earlier release connected to the database? Names of another role's connections are not shown. */
export async function isOlderConnected(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ older: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
       AND application_name ~ '^directum-robots(-relaxed)?( v[0-9]+)?$'
       AND coalesce(substring(application_name FROM ' v([0-9]+)$')::int, 1) < $1) AS older`,
    [VERSION],
  );
  return rows[0]?.older === true;
}
