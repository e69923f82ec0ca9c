import { type OpenRow, type Outcome, RETRY } from '../../outbox/handler.ts';
import type { Language, LocalText } from '../../robot/failure.ts';
import type { Addressed } from '../../store/outbox/notices.ts';
import { toMessage } from '../facts/notices.ts';
import type { DealPort } from '../ports/deal.ts';
import type { FailureContent } from './failures.ts';
import type { DeliverPorts } from './sending.ts';

/**
 * Finds the person each failure is told, and writes the message: the responsible person of the item; whoever installed the
 * application for many items at once, and where the item has no such person or that person is dismissed (interface.md §5).
 * Answers the outcomes of those for whom there is nobody.
 */
export async function addressFailures(
  deals: DealPort,
  rows: OpenRow[],
  ports: DeliverPorts,
): Promise<[OpenRow, Outcome][]> {
  if (rows.length === 0) return [];
  // Written by failures.ts.
  const open = rows.map((row) => ({
    row,
    ref: ports.toItem(row.itemCode),
    content: row.content as FailureContent,
  }));
  const refs = new Map(
    open.flatMap(({ content, ref }) => (content.crowd || ref === null ? [] : [[ref.code, ref] as const])),
  );
  let items: Awaited<ReturnType<DealPort['items']>>;
  let active: Set<number>;
  const installer = deals.installer();
  try {
    items = refs.size === 0 ? [] : await deals.items([...refs.values()]);
    const people = [installer, ...items.map((item) => item?.responsibleUserId)];
    active = await deals.activeUsers(people.filter((id) => id != null));
  } catch (error) {
    ports.log.warn('failures.not_addressed', { error });
    return rows.map((row) => [row, RETRY]);
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const language = deals.language();
  const addressed: Addressed[] = [];
  const nobody: [OpenRow, Outcome][] = [];
  for (const { row, ref, content } of open) {
    const { text, crowd } = content;
    const item = ref === null ? null : (byCode.get(ref.code) ?? null);
    const responsible = item?.responsibleUserId ?? null;
    const isTheirs = !crowd && responsible !== null && active.has(responsible);
    const userId = isTheirs ? responsible : installer;
    if (userId === null || !active.has(userId)) {
      nobody.push([row, { ok: false, why: 'gone', reason: 'nobody to tell' }]);
      continue;
    }
    let message: string;
    if (crowd) {
      const count = await ports.failures.itemsWith(row.portal, row.code, row.createdAt);
      message = toCrowdText(count, row.code, text)[language];
    } else {
      const known = item ?? { title: row.itemCode, url: ref === null ? '' : deals.cardUrl(ref) };
      message = toMessage(text, known, language).trimEnd();
      if (!isTheirs) message += `\n${INSTEAD[language]}`;
    }
    const { id, takes } = row;
    addressed.push({ id, takes, userId, payload: ports.seal.encrypt(JSON.stringify({ message })) });
  }
  await ports.notices.address(addressed, ports.now());
  return nobody;
}

const INSTEAD: Record<Language, string> = {
  ru: 'Сообщение пришло вам, потому что ответственного за этот элемент нет, он уволен или определить его не удалось.',
  en: 'You are told because nobody is responsible for this item, or that person is dismissed or cannot be found out.',
};

function toCrowdText(count: number, code: string, text: LocalText): LocalText {
  return {
    ru: `Directum: роботы не выполнили работу уже в ${count} элементах CRM за час, код ошибки ${code}. Например:\n${text.ru}\nУстраните причину. Потом администратор сервиса может повторить эти запуски: npm run runs -- retry --failed --code ${code}. В течение часа отдельные уведомления с этим кодом не приходят.`,
    en: `Directum: robots have not done their work in ${count} CRM items within an hour, error code ${code}. For example:\n${text.en}\nRemove the cause. Then the operator of the service can do these runs again: npm run runs -- retry --failed --code ${code}. For an hour there are no single notices with this code.`,
  };
}
