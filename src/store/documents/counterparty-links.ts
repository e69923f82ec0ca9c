import type { Pool } from 'pg';
import type { CounterpartyLinksPort } from '../../robot/ports/counterparty-links.ts';
import type { CounterpartyResult } from '../../robot/ports/directum.ts';
import { beginChange, takenChange } from '../journal/begun-changes.ts';

/** Which Directum counterparty belongs to which CRM company or contact of one portal, as a run of one of its items sees it. */
export function createCounterpartyLinks(
  { pool, now }: { pool: Pool; now: () => Date },
  portalKey: string,
  itemCode: string,
  runId: string,
): CounterpartyLinksPort {
  /** Of `COMPANY_44:7` too: whichever key is bound first tells of the making. */
  const toMaking = (crmKey: string) => `counterparty ${crmKey.replace(/:.*/, '')}`;

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
        `WITH ${takenChange('$7', '$8')},
           bound AS (INSERT INTO counterparty_pair (portal, crm_key, directum_id, type) VALUES ($1, $2, $3, $4)
             ON CONFLICT (portal, crm_key) DO UPDATE
             SET directum_id = excluded.directum_id, type = excluded.type, updated_at = now())
         INSERT INTO journal (at, portal, item_code, type, actor, data)
         SELECT $5, $1, $6, 'counterparty.made', 'run ' || $7,
           jsonb_build_object('counterparty', $3::bigint, 'type', $4::text, 'of', $2::text) FROM begun WHERE $9::boolean`,
        [
          ...[portalKey, crmKey, counterparty.id, counterparty.type, now(), itemCode, runId],
          toMaking(crmKey),
          counterparty.made ?? false,
        ],
      );
    },

    making: (crmKey) => beginChange(pool, runId, toMaking(crmKey), []),
    changing: (id, properties) => beginChange(pool, runId, `counterparty ${id}`, properties),

    async changed(id) {
      await pool.query(
        `WITH ${takenChange('$4', '$5')}
         INSERT INTO journal (at, portal, item_code, type, actor, data)
         SELECT $1, $2, $3, 'counterparty.changed', 'run ' || $4, jsonb_build_object('counterparty', $6::bigint, 'fields', fields)
         FROM begun`,
        [now(), portalKey, itemCode, runId, `counterparty ${id}`, id],
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
