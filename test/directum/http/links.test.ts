import { expect, it } from 'vitest';
import { createLinks } from '../../../src/directum/http/links.ts';

it('a card of a known type is opened by its type, any other by the base of the hierarchy', () => {
  const { documentUrl } = createLinks('https://rx.example/Client/');
  expect(documentUrl(7, 'Waybill')).toBe(
    'https://rx.example/Client/#/card/4e81f9ca-b95a-4fd4-bf76-ea7176c215a7/7',
  );
  for (const entity of ['Memo', undefined])
    expect(documentUrl(7, entity)).toBe(
      'https://rx.example/Client/#/card/58cca102-1e97-4f07-b6ac-fd866a8b7cb1/7',
    );
});
