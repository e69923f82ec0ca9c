import type { Pool } from 'pg';
import type { CounterpartyLinksPort } from '../../robot/ports/counterparty-links.ts';
import type { CounterpartyResult } from '../../robot/ports/directum.ts';

/** Which Directum counterparty belongs to which CRM company or contact of one portal. */
export function createCounterpartyLinks(pool: Pool, portalKey: string): CounterpartyLinksPort {
  return {
    externalId: (crmKey) => `b24:${portalKey}:${crmKey}`,

    async find(crmKey) {
      const { rows } = await pool.query(
        'SELECT directum_id, type FROM counterparty_pair WHERE portal = $1 AND crm_key = $2',
        [portalKey, crmKey],
      );
      const row = rows[0];
      return row ? { id: Number(row.directum_id), type: row.type as CounterpartyResult['type'] } : null;
    },

    async bind(crmKey, counterparty) {
      await pool.query(
        `INSERT INTO counterparty_pair (portal, crm_key, directum_id, type) VALUES ($1, $2, $3, $4)
         ON CONFLICT (portal, crm_key) DO UPDATE
         SET directum_id = excluded.directum_id, type = excluded.type, updated_at = now()`,
        [portalKey, crmKey, counterparty.id, counterparty.type],
      );
    },

    async others(type, except, limit) {
      const { rows } = await pool.query(
        `SELECT DISTINCT directum_id FROM (SELECT directum_id FROM counterparty_pair
           WHERE type = $1 AND directum_id <> $2 ORDER BY updated_at DESC LIMIT $3) AS newest`,
        [type, except, limit],
      );
      return rows.map((row) => Number(row.directum_id));
    },

    async release(crmKey) {
      await pool.query('DELETE FROM counterparty_pair WHERE portal = $1 AND crm_key = $2', [
        portalKey,
        crmKey,
      ]);
    },
  };
}
