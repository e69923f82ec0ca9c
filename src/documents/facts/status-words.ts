import type { LocalText } from '../../robot/failure.ts';
import type { DocumentStatus } from '../ports/document.ts';

/**
 * Words of every status for people, and what Directum shows then, in the order a contract goes through them
 * (interface.md §5).
 */
export const STATUS_WORDS: Readonly<Record<DocumentStatus, { title: LocalText; when: LocalText }>> = {
  created: {
    title: { ru: 'Создан', en: 'Created' },
    when: { ru: 'ничего из перечисленного', en: 'none of the above' },
  },
  on_approval: {
    title: { ru: 'На согласовании', en: 'On approval' },
    when: { ru: 'согласование в состоянии «На согласовании»', en: 'internal approval `OnApproval`' },
  },
  rework: {
    title: { ru: 'На доработке', en: 'On rework' },
    when: { ru: 'согласование в состоянии «На доработке»', en: 'internal approval `OnRework`' },
  },
  approved: {
    title: { ru: 'Согласован', en: 'Approved' },
    when: { ru: 'согласование в состоянии «На подписании»', en: 'internal approval `PendingSign`' },
  },
  signed_us: {
    title: { ru: 'Подписан нами', en: 'Signed by us' },
    when: {
      ru: 'согласование в состоянии «Подписан», или подписана последняя версия',
      en: 'internal approval `Signed`, or the last version is signed',
    },
  },
  signed_both: {
    title: { ru: 'Подписан обеими сторонами', en: 'Signed by both parties' },
    when: {
      ru: 'подписан нами и контрагентом, или обмен завершён подписанием обеими сторонами',
      en: 'signed by us and by the counterparty, or the exchange ended with both signatures',
    },
  },
  rejected: {
    title: { ru: 'Отклонён', en: 'Rejected' },
    when: {
      ru: 'контрагент не подписал, обмен отклонён или аннулирован; без нашей подписи также: согласование прекращено',
      en: 'the counterparty did not sign, the exchange was rejected or terminated; without our signature also: the approval was aborted',
    },
  },
  executed: {
    title: { ru: 'Исполнен', en: 'Executed' },
    when: {
      ru: 'состояние «Исполнен», у счёта — «Оплачен»',
      en: 'life cycle state `Closed`, of an invoice `Paid`',
    },
  },
  annulled: {
    title: { ru: 'Аннулирован', en: 'Annulled' },
    when: {
      ru: 'состояние «Аннулирован» («Устаревший») или «Расторгнут»',
      en: 'life cycle state `Obsolete` or `Terminated`',
    },
  },
  deleted: {
    title: { ru: 'Удалён в Directum', en: 'Deleted in Directum' },
    when: {
      ru: 'документа больше нет, или учётная запись сервиса его не видит',
      en: "the document is gone, or the service's account cannot see it",
    },
  },
};

export const STATUSES = Object.keys(STATUS_WORDS) as readonly DocumentStatus[];
