import type { LocalText } from '../robot/failure.ts';
import type { DocumentStatus } from './ports.ts';

/** Statuses as people read them, in the order a contract goes through them (interface.md §5). */
export const STATUS_TITLES: Readonly<Record<DocumentStatus, LocalText>> = {
  created: { ru: 'Создан', en: 'Created' },
  on_approval: { ru: 'На согласовании', en: 'On approval' },
  rework: { ru: 'На доработке', en: 'On rework' },
  approved: { ru: 'Согласован', en: 'Approved' },
  signed_us: { ru: 'Подписан нами', en: 'Signed by us' },
  signed_both: { ru: 'Подписан обеими сторонами', en: 'Signed by both parties' },
  rejected: { ru: 'Отклонён', en: 'Rejected' },
  executed: { ru: 'Исполнен', en: 'Executed' },
  annulled: { ru: 'Аннулирован', en: 'Annulled' },
  deleted: { ru: 'Удалён в Directum', en: 'Deleted in Directum' },
};

export const STATUSES = Object.keys(STATUS_TITLES) as readonly DocumentStatus[];
