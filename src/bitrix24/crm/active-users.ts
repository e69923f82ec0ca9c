import { z } from 'zod';
import { toCode } from '../../lib/text.ts';
import type { BatchAnswer } from '../rest/batch.ts';
import { isRecord, isYes } from '../rest/values.ts';
import { said } from '../rest/writes.ts';

const rowsShape = z.array(z.unknown()).transform((rows) =>
  rows.flatMap((row) => {
    const shape = z.object({
      ID: z.coerce.number().int().positive(),
      EMAIL: z.string(),
      ACTIVE: z.unknown(),
    });
    return shape.safeParse(row).data ?? [];
  }),
);

/**
 * The one active user with the e-mail, by an answer of `user.get` (bitrix24.md F5); null for none or several.
 * @throws PortalError when the answer may come later
 */
export function readActiveUser(answer: BatchAnswer, email: string): number | null {
  const known = said(answer, 'user.get');
  if (!known.ok) return null;
  const rows = rowsShape.safeParse(known.result).data ?? [];
  const active = rows.filter(
    (row) => isYes(row.ACTIVE) && toCode(row.EMAIL).toLowerCase() === toCode(email).toLowerCase(),
  );
  return active.length === 1 ? (active[0]?.ID ?? null) : null;
}

/**
 * Whether the user works in the portal, by an answer of `user.get` (bitrix24.md F5); true when the portal refuses to say.
 * @throws PortalError when the answer may come later
 */
export function isActive(answer: BatchAnswer, userId: number): boolean {
  const known = said(answer, 'user.get');
  if (!known.ok || !Array.isArray(known.result)) return true;
  return known.result.some((row) => isRecord(row) && Number(row['ID']) === userId && isYes(row['ACTIVE']));
}
