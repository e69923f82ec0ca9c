import { z } from 'zod';
import type { LocalText } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import { counterpartyMissing } from '../src/robot/people.ts';
import { defineRobot, SALES_ITEMS } from '../src/robot/robot.ts';
import { invalid } from '../src/robot/run/inputs.ts';

/** What people call the properties of a counterparty's card. */
const TITLES: Readonly<Record<string, LocalText>> = {
  Name: { ru: 'Наименование', en: 'Name' },
  LegalName: { ru: 'Юридическое наименование', en: 'Legal name' },
  LastName: { ru: 'Фамилия', en: 'Last name' },
  FirstName: { ru: 'Имя', en: 'First name' },
  MiddleName: { ru: 'Отчество', en: 'Middle name' },
  TIN: { ru: 'ИНН', en: 'TIN' },
  TRRC: { ru: 'КПП', en: 'TRRC' },
  PSRN: { ru: 'ОГРН', en: 'PSRN' },
  NCEO: { ru: 'ОКПО', en: 'NCEO' },
  NCEA: { ru: 'ОКВЭД', en: 'NCEA' },
  Phones: { ru: 'Телефоны', en: 'Phones' },
  Email: { ru: 'Эл. почта', en: 'E-mail' },
  Homepage: { ru: 'Сайт', en: 'Site' },
  LegalAddress: { ru: 'Юридический адрес', en: 'Legal address' },
  PostalAddress: { ru: 'Почтовый адрес', en: 'Postal address' },
  Account: { ru: 'Номер счета', en: 'Account' },
  Bank: { ru: 'Банк (БИК)', en: 'Bank (BIC)' },
  Nonresident: { ru: 'Нерезидент', en: 'Non-resident' },
};
const toTitle = (property: string): LocalText => TITLES[property] ?? { ru: property, en: property };

const contactName = { ru: 'ИД контакта', en: 'Contact id' };

/** Keeps the counterparty card in Directum equal to the CRM company or contact. */
export const syncCounterparty = defineRobot({
  code: 'directum_sync_counterparty',
  name: { ru: 'Directum: синхронизировать контрагента', en: 'Directum: sync counterparty' },
  description: {
    ru: 'Находит или создаёт контрагента в Directum по реквизитам компании или контакта.',
    en: 'Finds or makes the counterparty in Directum by the requisites of the company or contact.',
  },
  items: [...SALES_ITEMS, 'company', 'contact'],

  inputs: z.object({
    company_id: field
      .int(
        { ru: 'ИД компании', en: 'Company id' },
        { ru: 'Пусто = компания сделки', en: "Empty = the deal's company" },
      )
      .optional(),
    contact_id: field
      .int(contactName, { ru: 'Пусто = контакт сделки', en: "Empty = the deal's contact" })
      .optional(),
    update_mode: field
      .select(
        { ru: 'Обновление карточки', en: 'Update mode' },
        {
          fill: { ru: 'Заполнять пустые поля', en: 'Fill empty fields' },
          overwrite: { ru: 'Перезаписывать', en: 'Overwrite' },
          none: { ru: 'Не менять', en: 'Do not change' },
        },
      )
      .default('fill'),
    check_only: field.checkOnly(),
  }),

  outputs: z.object({
    counterparty_id: field.int({ ru: 'ИД контрагента', en: 'Counterparty id' }).optional(),
    counterparty_url: field.string({ ru: 'Ссылка на контрагента', en: 'Counterparty link' }),
    action: field.string({ ru: 'Что сделано', en: 'Action' }),
    counterparty_type: field.string({ ru: 'Тип контрагента', en: 'Counterparty type' }),
    changed_fields: field.string({ ru: 'Изменённые поля', en: 'Changed fields' }),
    problems: field.problems(),
  }),

  async run(inputs, { portal, directum, checking, log }) {
    if (inputs.company_id !== undefined && inputs.contact_id !== undefined) {
      throw invalid(contactName, String(inputs.contact_id), {
        ru: 'указаны и компания, и контакт; оставьте что-то одно',
        en: 'both a company and a contact are given; leave one of them',
      });
    }
    const snapshot = await portal.read({
      ...(inputs.company_id !== undefined && { companyId: inputs.company_id }),
      ...(inputs.contact_id !== undefined && { contactId: inputs.contact_id }),
    });
    if (!snapshot.party) throw counterpartyMissing();
    if (checking !== null) {
      const { wrong, found, values } = await directum.counterparties.check(
        snapshot.party,
        inputs.update_mode,
      );
      for (const problem of wrong) checking.problems.take(problem);
      for (const [property, value] of Object.entries(values))
        checking.values.push({ field: toTitle(property), value, input: null, from: 'party' });
      return {
        counterparty_id: found?.id,
        counterparty_url: found?.url ?? '',
        action: '',
        counterparty_type: found?.type ?? '',
        changed_fields: '',
      };
    }
    const synced = await directum.counterparties.sync(snapshot.party, inputs.update_mode);
    log.info('counterparty.synced', { counterpartyId: synced.id, action: synced.action });
    return {
      counterparty_id: synced.id,
      counterparty_url: synced.url,
      action: synced.action,
      counterparty_type: synced.type,
      changed_fields: synced.changedFields.join(','),
    };
  },
});
