import { STATUS_WORDS } from '../../documents/facts/status-words.ts';
import type { ActivityCard } from '../../documents/ports/deal.ts';
import type { DocumentStatus } from '../../documents/ports/document.ts';
import { shorten } from '../../lib/text.ts';
import type { LocalText } from '../../robot/failure.ts';

/** `id` of the button that asks for a refresh; it comes back in ONCRMTIMELINEITEMACTION (bitrix24.md F8). */
export const REFRESH_ACTION = 'directum_refresh';
/** ORIGINATOR_ID of our activities; ORIGIN_ID is the document's id. */
export const ACTIVITY_ORIGINATOR = 'directum_robots';

const TEXTS = {
  status: { ru: 'Состояние', en: 'Status' },
  number: { ru: 'Рег. номер', en: 'Registration number' },
  holders: { ru: 'Сейчас у', en: 'Now with' },
  signer: { ru: 'Подписант', en: 'Signatory' },
  open: { ru: 'Открыть в Directum', en: 'Open in Directum' },
  refresh: { ru: 'Обновить', en: 'Refresh now' },
  since: { ru: 'с', en: 'since' },
} as const satisfies Record<string, LocalText>;

/** Nothing more happens to a document in these, so its activity is done. */
const ENDED: ReadonlySet<DocumentStatus> = new Set(['rejected', 'executed', 'annulled', 'deleted']);
const MAX_TEXT = 1_000;
const MAX_TITLE = 250;
const MAX_HOLDERS = 10;

/** `fields` of the configurable activity of a document (bitrix24.md F8). */
export function toActivityFields(card: ActivityCard) {
  return {
    completed: ENDED.has(card.status) ? 'Y' : 'N',
    originatorId: ACTIVITY_ORIGINATOR,
    originId: String(card.documentId),
  };
}

/**
 * `layout` of the configurable activity (bitrix24.md F8): icon and logo are mandatory, a block without a value would
 * break its row, so it is left out. All values are texts, which a batch carries unchanged.
 */
export function toLayout(card: ActivityCard, language: 'ru' | 'en'): Record<string, unknown> {
  const rows: [keyof typeof TEXTS, string | null][] = [
    ['status', `${STATUS_WORDS[card.status].title[language]} ${sinceText(card.since, language)}`],
    ['number', card.number],
    ['holders', toHolders(card.holders, language)],
    ['signer', card.signer],
  ];
  const blocks: Record<string, unknown> = {};
  for (const [key, value] of rows) {
    const shown = shorten((value ?? '').trim(), MAX_TEXT);
    if (shown !== '') blocks[key] = block(TEXTS[key][language], shown);
  }
  const refresh = {
    type: 'restEvent',
    id: REFRESH_ACTION,
    actionParams: { documentId: String(card.documentId) },
  };
  return {
    icon: { code: 'document' },
    header: { title: shorten(card.name.trim(), MAX_TITLE) || `Directum ${card.documentId}` },
    body: { logo: { code: 'document' }, blocks },
    footer: {
      buttons: {
        open: { title: TEXTS.open[language], type: 'primary', action: { type: 'redirect', uri: card.url } },
        refresh: { title: TEXTS.refresh[language], type: 'secondary', action: refresh },
      },
    },
  };
}

function block(title: string, value: string): Record<string, unknown> {
  return { type: 'withTitle', properties: { title, block: { type: 'text', properties: { value } } } };
}

function toHolders(holders: ActivityCard['holders'], language: 'ru' | 'en'): string {
  const shown = holders.slice(0, MAX_HOLDERS).map(({ name, since }) => {
    const from = since === null ? '' : sinceText(since, language);
    return from === '' ? name : `${name} (${from})`;
  });
  const more = holders.length - shown.length;
  return [...shown, ...(more > 0 ? [`+${more}`] : [])].filter((name) => name.trim() !== '').join(', ');
}

/** The calendar day by the date's own offset, as the reader writes dates. */
function sinceText(iso: string, language: 'ru' | 'en'): string {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(iso) ?? [];
  if (day === undefined) return '';
  return `${TEXTS.since[language]} ${language === 'ru' ? `${day}.${month}.${year}` : `${year}-${month}-${day}`}`;
}
