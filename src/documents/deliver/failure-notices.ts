import type { Language, LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { Failures } from '../../store/outbox/kept-failures.ts';
import type { DueFact, Outbox, SettledFact } from '../../store/outbox/outbox.ts';
import { toMessage } from '../facts/notices.ts';
import type { DealPort } from '../ports/deal.ts';
import type { FailurePayload } from './failures.ts';
import { openPayload, over, settled } from './sending.ts';

interface NoticePorts {
  failures: Pick<Failures, 'itemsWith'>;
  outbox: Pick<Outbox, 'address' | 'settle'>;
  toItem(code: string): ItemRef | null;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  now: () => Date;
  log: Log;
}

/**
 * Finds the person each failure is told, and writes the message: the responsible person of the item; whoever installed the
 * application for many items at once, and where the item has no such person or that person is dismissed (interface.md §5).
 */
export async function addressFailures(deals: DealPort, due: DueFact[], ports: NoticePorts): Promise<void> {
  const { outbox, seal, now } = ports;
  const open = due.map((fact) => ({
    fact,
    ref: ports.toItem(fact.itemCode),
    payload: openPayload<FailurePayload>(fact, ports),
  }));
  const refs = new Map(
    open.flatMap(({ payload, ref }) => (payload?.crowd || ref === null ? [] : [[ref.code, ref] as const])),
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
    const again = due.map((fact) => settled(fact, { ok: false, why: 'retry' }, ports));
    return outbox.settle(again, now());
  }
  const byCode = new Map([...refs.keys()].map((code, at) => [code, items[at] ?? null]));
  const language = deals.language();
  const addressed: { id: string; userId: number; payload: string }[] = [];
  const nobody: SettledFact[] = [];
  for (const { fact, ref, payload } of open) {
    const { text, crowd } = payload ?? { text: null, crowd: false };
    const item = ref === null ? null : (byCode.get(ref.code) ?? null);
    const responsible = item?.responsibleUserId ?? null;
    const isTheirs = !crowd && responsible !== null && active.has(responsible);
    const userId = isTheirs ? responsible : installer;
    if (text === null || userId === null || !active.has(userId)) {
      nobody.push(over(fact, 'nobody to tell', ports));
      continue;
    }
    let message: string;
    if (crowd) {
      const count = await ports.failures.itemsWith(fact.portal, fact.code, fact.createdAt);
      message = toCrowdText(count, fact.code, text)[language];
    } else {
      const known = item ?? { title: fact.itemCode, url: ref === null ? '' : deals.cardUrl(ref) };
      message = toMessage(text, known, language).trimEnd();
      if (!isTheirs) message += `\n${INSTEAD[language]}`;
    }
    addressed.push({ id: fact.id, userId, payload: seal.encrypt(JSON.stringify({ message })) });
  }
  await outbox.settle(nobody, now());
  if (addressed.length > 0) await outbox.address(addressed, now());
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
