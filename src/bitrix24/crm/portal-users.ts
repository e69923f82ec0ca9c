import type { z } from 'zod';
import type { PortalUser } from '../../robot/ports/portal.ts';
import { MAX_BATCH } from '../rest/batch.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toError } from '../rest/writes.ts';
import { user } from './commands.ts';
import { usersShape } from './shapes.ts';

/** A user as `user.get` shows it (bitrix24.md F5). */
export function toUser(row: z.infer<typeof usersShape>[number]): PortalUser {
  const name = [row.LAST_NAME, row.NAME, row.SECOND_NAME].filter(Boolean).join(' ');
  return { id: row.ID, email: row.EMAIL, name: name || (row.EMAIL ?? `user ${row.ID}`) };
}

/** Users of a portal by id; one who is not there is absent. @throws PortalError */
export async function readUsers(
  rest: PortalRest,
  memberId: string,
  ids: readonly number[],
): Promise<Map<number, PortalUser>> {
  const users = new Map<number, PortalUser>();
  for (let from = 0; from < ids.length; from += MAX_BATCH) {
    const asked = ids.slice(from, from + MAX_BATCH);
    const commands = Object.fromEntries(asked.map((id) => [`user_${id}`, user(id)]));
    const answers = await rest.batch(memberId, commands);
    for (const id of asked) {
      const answer = answers[`user_${id}`];
      if (answer?.ok === false && answer.kind !== 'gone') throw toError(answer, { method: 'user.get' });
      const row = answer?.ok ? usersShape.parse(answer.result).find(({ ID }) => ID === id) : undefined;
      if (row !== undefined) users.set(id, toUser(row));
    }
  }
  return users;
}
