import type { DealPort } from '../../documents/ports/deal.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Installations } from '../auth/installation.ts';
import { isActive, readActiveUser } from '../crm/active-users.ts';
import { item, user } from '../crm/commands.ts';
import { cardPath } from '../crm/item-reader.ts';
import { personName } from '../crm/party.ts';
import * as shapes from '../crm/shapes.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toLanguage } from '../rest/values.ts';
import { createWriter, said, toWriteResult, withAnswers } from '../rest/writes.ts';
import { createActivityWriter } from './activities.ts';
import { createCommentWriter } from './comments.ts';
import { createComparer } from './deal-compare.ts';
import { createFieldWriter } from './fields/deal-fields.ts';
import { createTaskWriter } from './tasks.ts';
import { createTriggers } from './triggers.ts';

export type Deals = (memberId: string) => DealPort;

/** What the package shows in its portals: fields, timeline, triggers, notices and tasks (interface.md §5). */
export function createDeals(options: {
  rest: PortalRest;
  installations: Installations;
  locks: LocksPort;
  log: Log;
}): Deals {
  const { installations } = options;
  // Runs and their answers go first: what a deal shows may come a moment later.
  const writer = createWriter({ ...options, priority: 'repeat' });
  const writeFields = createFieldWriter({ ...options, writer });
  const putActivities = createActivityWriter({ ...options, writer });
  const compare = createComparer({ ...options, writer });
  const comment = createCommentWriter({ ...options, writer });
  const fireTriggers = createTriggers({ ...options, writer });
  const { putTasks, completeTasks, readTasks } = createTaskWriter({ ...options, writer });

  return (memberId) => {
    const cardUrl: DealPort['cardUrl'] = (ref) =>
      `${installations.get(memberId)?.origin ?? ''}${cardPath(ref)}`;
    const language = () => toLanguage(installations.get(memberId)?.language ?? 'en');
    return {
      language,
      writeFields: (writes) => writeFields(memberId, writes),
      putActivities: (cards) => putActivities(memberId, language(), cards),
      compare: (wanted) => compare(memberId, language(), wanted),
      fireTriggers: (triggers) => fireTriggers(memberId, triggers),
      putTasks: (tasks) => putTasks(memberId, tasks),
      completeTasks: (tasks) => completeTasks(memberId, tasks),
      readTasks: (taskIds) => readTasks(memberId, taskIds),
      comment: (comments) => comment(memberId, comments),
      installer: () => installations.get(memberId)?.installerUserId ?? null,
      cardUrl,

      async notify(notices) {
        const answers = await writer.send(
          memberId,
          notices.map(({ userId, text, tag }) => ({
            method: 'im.notify.system.add',
            params: { USER_ID: userId, MESSAGE: text, MESSAGE_OUT: text, TAG: tag },
          })),
        );
        return answers.map(toWriteResult);
      },

      async items(refs) {
        const answers = await writer.send(
          memberId,
          refs.map((ref) => item(ref.typeId, ref.id)),
        );
        return withAnswers(refs, answers).map(([ref, answer]) => {
          const known = said(answer);
          if (!known.ok) return null;
          const read = shapes.itemShape.safeParse(known.result);
          if (!read.success || read.data.item.id !== ref.id) {
            throw new PortalError({ code: 'UNREADABLE', status: null, kind: 'server', retry: true });
          }
          const facts = shapes.itemFactsShape.parse(read.data.item);
          return {
            title: facts.title ?? personName(facts) ?? ref.code,
            url: cardUrl(ref),
            responsibleUserId: facts.assignedById,
          };
        });
      },

      async usersByEmail(emails) {
        const wanted = [...new Set(emails.map((email) => email.trim()).filter((email) => email !== ''))];
        const answers = await writer.send(
          memberId,
          wanted.map((email) => ({ method: 'user.get', params: { FILTER: { EMAIL: email } } })),
        );
        const users = new Map<string, number>();
        for (const [email, answer] of withAnswers(wanted, answers)) {
          const userId = readActiveUser(answer, email);
          if (userId !== null) users.set(email, userId).set(email.toLowerCase(), userId);
        }
        return users;
      },

      async activeUsers(userIds) {
        const wanted = [...new Set(userIds)];
        const answers = await writer.send(memberId, wanted.map(user));
        return new Set(
          withAnswers(wanted, answers).flatMap(([id, answer]) => (isActive(answer, id) ? [id] : [])),
        );
      },
    };
  };
}
