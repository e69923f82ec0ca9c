import type { DocumentType, DocumentTypeCode } from './document-types.ts';

const ROBOT = {
  ru: 'Directum: создать документ (акт, счёт, допсоглашение …)',
  en: 'Directum: create document (act, invoice, agreement …)',
};

/** Words of a type made by `directum_create_document`; Russian ones in the cases that sentences need. */
function of(
  noun: { ru: string; en: string },
  ofNoun: string,
  another: string,
  gone: string,
): DocumentType['texts'] {
  const title = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}`;
  const article = /^[aeio]/.test(noun.en) ? 'an' : 'a';
  return {
    robot: ROBOT,
    title: { ru: title(noun.ru), en: title(noun.en) },
    noun,
    ofNoun: { ru: ofNoun, en: `of ${article} ${noun.en}` },
    another: { ru: another, en: `another ${noun.en}` },
    gone: {
      ru: `${title(noun.ru)} в Directum ${gone} учётной записи сервиса. Проверьте карточку и права.`,
      en: `The ${noun.en} is deleted in Directum or the service's account cannot read it. Check the card and the rights.`,
    },
  };
}

const HE = 'удалён или недоступен';
const SHE = 'удалена или недоступна';
const IT = 'удалено или недоступно';

/** What people read of each type. */
export const texts: Record<DocumentTypeCode, DocumentType['texts']> = {
  contract: {
    ...of({ ru: 'договор', en: 'contract' }, 'договора', 'другой договор', HE),
    robot: { ru: 'Directum: создать договор', en: 'Directum: create contract' },
  },
  act: of({ ru: 'акт', en: 'act' }, 'акта', 'другой акт', HE),
  outgoing_invoice: of(
    { ru: 'исходящий счёт', en: 'outgoing invoice' },
    'исходящего счёта',
    'другой исходящий счёт',
    HE,
  ),
  incoming_invoice: of(
    { ru: 'входящий счёт', en: 'incoming invoice' },
    'входящего счёта',
    'другой входящий счёт',
    HE,
  ),
  supplementary_agreement: of(
    { ru: 'дополнительное соглашение', en: 'supplementary agreement' },
    'дополнительного соглашения',
    'другое дополнительное соглашение',
    IT,
  ),
  universal_transfer: of({ ru: 'УПД', en: 'universal transfer document' }, 'УПД', 'другой УПД', HE),
  waybill: of({ ru: 'накладная', en: 'waybill' }, 'накладной', 'другая накладная', SHE),
  addendum: of({ ru: 'приложение', en: 'addendum' }, 'приложения', 'другое приложение', IT),
  simple: of(
    { ru: 'простой документ', en: 'simple document' },
    'простого документа',
    'другой простой документ',
    HE,
  ),
};
