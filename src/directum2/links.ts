import type { CounterpartyResult } from '../robot/ports.ts';

/** Base GUID of a card's type opens any descendant too (directum.md I). */
const GUID = {
  contract: 'f37c7e63-b134-4446-9b5b-f8811f6c9666',
  company: '593e143c-616c-4d95-9457-fd916c4aa7f8',
  bank: '80c4e311-e95f-449b-984d-1fd540b8f0af',
  person: 'f5509cdc-ac0c-4507-a4d3-61d7a0a9b6f6',
};

/** Addresses of cards in the web client. */
export function createLinks(webUrl: string) {
  const base = webUrl.replace(/\/+$/, '');
  return {
    contract: (id: number) => `${base}/#/card/${GUID.contract}/${id}`,
    counterparty: (id: number, type: CounterpartyResult['type']) => `${base}/#/card/${GUID[type]}/${id}`,
  };
}

export type Links = ReturnType<typeof createLinks>;
