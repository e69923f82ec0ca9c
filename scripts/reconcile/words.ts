import { toMoment } from '../../src/command/moment.ts';
import type { Deviation } from '../../src/documents/ports/deal.ts';
import type { Difference } from '../../src/documents/reconcile/compare.ts';
import { shorten } from '../../src/lib/text.ts';
import { redact } from '../../src/log.ts';
import type { Language, LocalText } from '../../src/robot/failure.ts';

const PARTS: Readonly<Record<Deviation['part'], LocalText>> = {
  fields: { en: 'field', ru: 'поле' },
  activity: { en: 'activity', ru: 'дело' },
  task: { en: 'task', ru: 'задача' },
};
const NAMES: Readonly<Record<string, LocalText>> = {
  state: { en: 'state', ru: 'состояние' },
  deadline: { en: 'deadline', ru: 'срок' },
  responsible: { en: 'responsible', ru: 'ответственный' },
  status: { en: 'status', ru: 'состояние' },
  number: { en: 'number', ru: 'номер' },
  holders: { en: 'holders', ru: 'исполнители' },
  signer: { en: 'signatory', ru: 'подписант' },
  header: { en: 'title', ru: 'заголовок' },
  footer: { en: 'buttons', ru: 'кнопки' },
  completed: { en: 'completed', ru: 'завершено' },
};
const VALUES: Readonly<Record<string, LocalText>> = {
  open: { en: 'open', ru: 'открыта' },
  closed: { en: 'closed', ru: 'закрыта' },
};
const MISSING = { en: 'missing', ru: 'нет' };
const INSTEAD = { en: 'instead of', ru: 'вместо' };
const DOCUMENT = { en: 'document', ru: 'документ' };
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;
/** A title may be as long as a page. */
const LETTERS = 80;

/** How words and times are shown. */
interface Reader {
  language: Language;
  timeZone: string;
}

/** What an item showed otherwise and what is right, on one line. */
export function toDifferenceLine(differences: Difference[], reader: Reader): string {
  const { language } = reader;
  return differences
    .map(({ documentId, deviations }) => {
      const all = deviations.map((one) => toWords(one, reader));
      return `${DOCUMENT[language]} ${documentId}: ${all.join('; ')}`;
    })
    .join('; ');
}

function toWords({ part, name, shown, wanted }: Deviation, reader: Reader): string {
  const { language } = reader;
  const words = name
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => NAMES[word]?.[language] ?? word);
  const of = [PARTS[part][language], ...words].join(' ');
  if (shown === null || wanted === null) return `${of}: ${MISSING[language]}`;
  return `${of}: ${quote(shown, reader)} ${INSTEAD[language]} ${quote(wanted, reader)}`;
}

function quote(value: string, { language, timeZone }: Reader): string {
  if (MOMENT.test(value)) return `«${toMoment(new Date(value), timeZone)}»`;
  const short = shorten(String(redact(value)).replace(/\s+/g, ' '), LETTERS);
  return `«${VALUES[short]?.[language] ?? short}»`;
}

const MINUTE_MS = 60_000;

/** How far it is, and about how long it still takes. */
export function toTimeLeft(done: number, all: number, ms: number): LocalText {
  const minutes = Math.ceil(((ms / Math.max(done, 1)) * Math.max(all - done, 0)) / MINUTE_MS);
  const time = minutes < 60 ? [minutes, 'min', 'мин'] : [Math.ceil(minutes / 60), 'h', 'ч'];
  return {
    en: `${done} of ${all} documents, about ${time[0]} ${time[1]} left`,
    ru: `документов ${done} из ${all}, осталось около ${time[0]} ${time[2]}`,
  };
}
