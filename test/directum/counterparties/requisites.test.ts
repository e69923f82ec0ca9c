import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInn, isKpp, isOgrn, toCard } from '../../../src/directum/counterparties/requisites.ts';
import { company, contact, INN, KPP, OGRNIP, PERSON_INN } from '../stand.ts';

const digits = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length });

describe('check digits', () => {
  it.each(['7707083893', '7736050003', '500100732259', '7728168971'])('knows %s', (inn) =>
    expect(isInn(inn)).toBe(true),
  );

  it('takes exactly one last digit for any other nine digits of an INN', () => {
    fc.assert(
      fc.property(digits(9), (body) => {
        fc.pre(!(body[0] === 0 && body[1] === 0));
        const fit = [...'0123456789'].filter((last) => isInn(body.join('') + last));
        expect(fit).toHaveLength(1);
      }),
    );
  });

  it('takes no text of another length or with other signs', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/^(\d{10}|\d{12})$/.test(text)) expect(isInn(text)).toBe(false);
        if (!/^(\d{13}|\d{15})$/.test(text)) expect(isOgrn(text)).toBe(false);
      }),
    );
    expect(isInn('0012345678')).toBe(false);
  });

  it('knows OGRN, OGRNIP and the format of KPP', () => {
    expect([isOgrn('1027700132195'), isOgrn('1027700132196'), isOgrn(OGRNIP)]).toEqual([true, false, true]);
    expect([isKpp(KPP), isKpp('7736AB001'), isKpp('77360100'), isKpp('77360100a')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('numbers as they are pasted', () => {
  it('lose what nobody sees and every kind of space', () => {
    const strew = (text: string) => `\ufeff${[...text].join('\u200b')}\u00ad\u202f\u200e`;
    const pasted = { inn: strew(INN), kpp: strew(KPP), ogrn: strew('1027700132195') };
    const card = toCard(company({ ...pasted }));
    expect(card).toMatchObject({
      tin: INN,
      trrc: KPP,
      values: { TIN: INN, TRRC: KPP, PSRN: '1027700132195' },
    });
    expect(toCard({ ...company({}), emails: [strew('info@acme.example')] }).values['Email']).toBe(
      'info@acme.example',
    );
  });
});

describe('classifying', () => {
  const fail = (party: Parameters<typeof toCard>[0]) => {
    try {
      toCard(party);
    } catch (error) {
      return error as { code: string; text: { ru: string; en: string } };
    }
    throw new Error('no failure');
  };

  it.each([
    ['ИНН', 'INN', company({ inn: null })],
    ['ИНН', 'INN', company(null)],
    ['ИНН', 'INN', company({ inn: '7736050004' })],
    ['КПП', 'KPP', company({ kpp: '12' })],
    ['ОГРН', 'OGRN', company({ ogrn: '1' })],
    ['Фамилия', 'Last name', contact(null, { lastName: null })],
    ['Имя', 'First name', contact(null, { firstName: ' ' })],
    ['ИНН', 'INN', contact({ inn: INN })],
  ])('names «%s», in English «%s»', (ru, en, party) => {
    expect(fail(party)).toMatchObject({ code: 'requisites_invalid' });
    expect(fail(party).text.ru).toContain(`«${ru}»`);
    expect(fail(party).text.en).toContain(`«${en}»`);
  });

  it('reads numbers typed with spaces and drops a KPP of a proprietor', () => {
    expect(toCard(company({ inn: ' 7736 0500\u00a003 ' })).tin).toBe(INN);
    expect(toCard(contact({ inn: PERSON_INN, ogrnip: OGRNIP, kpp: KPP }))).toMatchObject({
      type: 'company',
      trrc: null,
    });
    expect(toCard(company({ okpo: '1234567' })).values).not.toHaveProperty('NCEO');
  });
});

describe('another country', () => {
  const foreign = (values: Parameters<typeof company>[0], party = {}) =>
    company({ inn: null, kpp: null, ...values }, party);
  const code = (party: Parameters<typeof toCard>[0]) => {
    try {
      return toCard(party).nonresident;
    } catch (error) {
      return (error as { text: { ru: string } }).text.ru;
    }
  };

  it('keeps every number it may be found by, without check digits; letters without case', () => {
    expect(toCard(foreign({ countryId: 6, foreignIds: ['0401 4000 0123'] }))).toMatchObject({
      nonresident: true,
      ids: ['040140000123'],
      tin: '040140000123',
      values: { TIN: '040140000123' },
    });
    expect(toCard(foreign({ countryId: 46, foreignIds: ['de 123456789', '77'], inn: '77' }))).toMatchObject({
      ids: ['DE123456789', '77'],
      tin: 'DE123456789',
    });
  });

  it('leaves numbers of other countries alone in Russian requisites', () => {
    expect(toCard(company({ foreignIds: ['040140000123', INN] }))).toMatchObject({
      nonresident: false,
      ids: [INN],
    });
  });

  it('is told by what is filled where the preset cannot be read', () => {
    const unread = { countryId: null };
    const bank = { name: null, bik: null, account: null, corAccount: null };
    expect(code(foreign({ ...unread, foreignIds: ['040140000123'] }))).toBe(true);
    expect(code(company(unread))).toBe(false);
    expect(code(company({ ...unread, kpp: null }))).toBe(false);
    expect(code(company({ ...unread, inn: '193456789', kpp: null, bank: { ...bank, countryId: 4 } }))).toBe(
      true,
    );
    // Nothing tells: neither a Russian INN nor a field of another country; or both.
    expect(code(company({ ...unread, inn: '193456789', kpp: null }))).toContain('«Шаблон реквизитов»');
    expect(code(company({ ...unread, foreignIds: ['040140000123'] }))).toContain('«Шаблон реквизитов»');
    // No number at all is as no requisites.
    expect(code(foreign(unread))).toContain('«ИНН» не указан');
    expect(toCard(contact(unread))).toMatchObject({ type: 'person', nonresident: false });
  });
});

describe('the name of a company', () => {
  it('is that of its requisites, its title, or its full name', () => {
    const named = (values: Parameters<typeof company>[0], name: string | null) =>
      toCard(company({ companyName: null, ...values }, { name })).values['Name'];
    expect(named({ companyName: 'ООО «Ромашка»' }, 'Ромашка')).toBe('ООО «Ромашка»');
    expect(named({}, 'Ромашка')).toBe('Ромашка');
    expect(named({ companyFullName: 'Общество «Ромашка»' }, null)).toBe('Общество «Ромашка»');
  });

  it('is never its code in CRM: without one the field is named', () => {
    expect(() => toCard(company({ companyName: null }, { name: null }))).toThrow(
      /requisites_invalid: «Name» is given neither in the card nor in the requisites \(company «COMPANY_44»\)/,
    );
    // What nobody sees is no name.
    expect(() => toCard(company({ companyName: '\u200B' }, { name: '\u2060 ' }))).toThrow(
      /requisites_invalid: «Name»/,
    );
  });
});
