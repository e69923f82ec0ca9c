import { shorten } from '../../lib/text.ts';
import type { Language, LocalText } from '../../robot/failure.ts';

/** What people are told (interface.md §5, Notices). */
export type NoticeCode =
  | 'approved'
  | 'signed_us'
  | 'signed_both'
  | 'rejected'
  | 'rework'
  | 'approval_needed'
  | 'signature_needed'
  | 'due'
  | 'overdue';

export interface NoticeDetails {
  /** Name and card of the document. */
  name: string;
  url: string;
  /** Rework: what the approvers wrote. */
  comments?: { who: string; comment: string }[];
  /** Due, overdue: the calendar date `YYYY-MM-DD`, days until it, and the contract's milestones of that date. */
  date?: string;
  daysLeft?: number;
  milestones?: string[];
  /** It is the day by which the document, an invoice, is to be paid. */
  isPayment?: boolean;
  /** Where the work is to be done: the assignment's card. */
  workUrl?: string;
}

const NAME_LETTERS = 150;
const COMMENT_LETTERS = 500;
/** A digest names so many, the rest it counts: a notice of a hundred lines is not read. */
const DIGEST_LINES = 20;

/** What happened and what to do, without the deal. */
export function toNoticeText(code: NoticeCode, details: NoticeDetails): LocalText {
  const name = toPlain(details.name, NAME_LETTERS);
  const [what, todo] = SENTENCES[code](name, details);
  const link = details.url === '' ? '' : ` ${details.url}`;
  return { ru: `${what.ru}${link}\n${todo.ru}`, en: `${what.en}${link}\n${todo.en}` };
}

/** The notice as one person reads it. */
export function toMessage(text: LocalText, deal: { title: string; url: string }, language: Language): string {
  return `${text[language]}\n${WORDS[language].deal}: ${toPlain(deal.title, NAME_LETTERS)} ${deal.url}`;
}

/** More than five notices of one minute as one. */
export function toDigest(messages: string[], language: Language): string {
  const words = WORDS[language];
  const lines = messages.slice(0, DIGEST_LINES).map((message, at) => `${at + 1}. ${message}`);
  const more = messages.length - lines.length;
  return [words.digest(messages.length), ...lines, ...(more > 0 ? [words.more(more)] : [])].join('\n\n');
}

/**
 * Foreign text without the portal's markup: square brackets begin a tag there, angle ones do in what reads HTML (a
 * notice goes out by e-mail too), and a foreign text must not make links.
 */
export function toUnmarked(text: string): string {
  return text.replaceAll('[', '(').replaceAll(']', ')').replaceAll('<', '‹').replaceAll('>', '›');
}

/** Text of Directum and of the deal without the portal's markup and line breaks. */
export function toPlain(text: string, letters: number): string {
  return shorten(toUnmarked(text).replaceAll(/\s+/g, ' ').trim(), letters);
}

const WORDS = {
  ru: {
    deal: 'Элемент CRM',
    digest: (count: number) => `Directum: уведомлений за минуту — ${count}`,
    more: (count: number) => `И ещё ${count}. Всё видно в карточках CRM.`,
  },
  en: {
    deal: 'CRM item',
    digest: (count: number) => `Directum: ${count} notices within a minute`,
    more: (count: number) => `And ${count} more. The cards in CRM show them all.`,
  },
} satisfies Record<Language, unknown>;

type Sentences = (name: string, details: NoticeDetails) => [what: LocalText, todo: LocalText];

const SENTENCES: Record<NoticeCode, Sentences> = {
  approved: (name) => [
    { ru: `Документ «${name}» согласован всеми.`, en: `Everybody has approved the document «${name}».` },
    {
      ru: 'Теперь он ждёт подписи; делать ничего не нужно.',
      en: 'It now waits for signature; there is nothing to do.',
    },
  ],
  signed_us: (name) => [
    { ru: `Документ «${name}» подписан с нашей стороны.`, en: `The document «${name}» is signed by us.` },
    { ru: 'Проследите, чтобы его подписал контрагент.', en: 'See that the counterparty signs it too.' },
  ],
  signed_both: (name) => [
    {
      ru: `Документ «${name}» подписан обеими сторонами.`,
      en: `The document «${name}» is signed by both sides.`,
    },
    { ru: 'Можно приступать к исполнению.', en: 'Its execution can begin.' },
  ],
  rejected: (name) => [
    { ru: `Документ «${name}» отклонён.`, en: `The document «${name}» was rejected.` },
    {
      ru: 'Узнайте причину в карточке Directum, исправьте документ и отправьте на согласование снова.',
      en: 'See the reason on the card in Directum, mend the document and send it for approval again.',
    },
  ],
  rework: (name, { comments = [] }) => [
    {
      ru: `Документ «${name}» вернули на доработку.${toRemarks(comments)}`,
      en: `The document «${name}» was sent back for rework.${toRemarks(comments)}`,
    },
    {
      ru: 'Исправьте документ и отправьте его дальше в Directum.',
      en: 'Mend the document and send it on in Directum.',
    },
  ],
  approval_needed: (name, { workUrl }) => [
    {
      ru: `Документ «${name}» ждёт вашего согласования.`,
      en: `The document «${name}» waits for your approval.`,
    },
    {
      ru: `Откройте задание в Directum и примите решение.${toLink(workUrl)}`,
      en: `Open the assignment in Directum and decide.${toLink(workUrl)}`,
    },
  ],
  signature_needed: (name, { workUrl }) => [
    { ru: `Документ «${name}» ждёт вашей подписи.`, en: `The document «${name}» waits for your signature.` },
    {
      ru: `Откройте задание в Directum и подпишите документ.${toLink(workUrl)}`,
      en: `Open the assignment in Directum and sign the document.${toLink(workUrl)}`,
    },
  ],
  due: (name, details) => [
    {
      ru: `${toObligation(name, details).ru}: срок ${toRussianDate(details.date)}, ${toDaysLeft(details.daysLeft).ru}.`,
      en: `${toObligation(name, details).en}: due on ${details.date}, ${toDaysLeft(details.daysLeft).en}.`,
    },
    {
      ru: 'Проверьте, что обязательство будет исполнено вовремя, или перенесите срок в Directum.',
      en: 'See that the obligation will be met in time, or move the date in Directum.',
    },
  ],
  overdue: (name, details) => [
    {
      ru: `${toObligation(name, details).ru}: срок ${toRussianDate(details.date)} прошёл.`,
      en: `${toObligation(name, details).en}: it was due on ${details.date}.`,
    },
    {
      ru: 'Исполните обязательство и отметьте это в Directum или перенесите срок.',
      en: 'Meet the obligation and mark it in Directum, or move the date.',
    },
  ],
};

function toRemarks(comments: { who: string; comment: string }[]): string {
  return comments
    .map(({ who, comment }) => {
      const said = toPlain(comment, COMMENT_LETTERS);
      return `\n${who === '' ? '' : `${toPlain(who, NAME_LETTERS)}: `}«${said}»`;
    })
    .join('');
}

function toLink(url: string | undefined): string {
  return url ? ` ${url}` : '';
}

function toObligation(name: string, { milestones = [], isPayment = false }: NoticeDetails): LocalText {
  if (isPayment) return { ru: `Оплата документа «${name}»`, en: `Payment of the document «${name}»` };
  if (milestones.length === 0)
    return { ru: `Срок действия документа «${name}»`, en: `Validity of the document «${name}»` };
  const named = milestones.map((one) => `«${toPlain(one, NAME_LETTERS)}»`).join(', ');
  return {
    ru: `${milestones.length > 1 ? 'Этапы' : 'Этап'} ${named} по документу «${name}»`,
    en: `${milestones.length > 1 ? 'Milestones' : 'Milestone'} ${named} of the document «${name}»`,
  };
}

function toDaysLeft(days = 0): LocalText {
  if (days === 0) return { ru: 'это сегодня', en: 'that is today' };
  const word = { one: 'день', few: 'дня', many: 'дней', other: 'дня', zero: 'дней', two: 'дня' };
  const plural = new Intl.PluralRules('ru').select(days);
  return { ru: `осталось: ${days} ${word[plural]}`, en: `${days} ${days === 1 ? 'day' : 'days'} left` };
}

function toRussianDate(date = ''): string {
  return date.split('-').reverse().join('.');
}
