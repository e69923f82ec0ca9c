import { sameCounterparties } from './counterparty-rules.ts';
import { documentFunctions } from './document-functions.ts';
import type { Fn } from './function-args.ts';
import { type Generation, reaches } from './model.ts';
import { Refusal } from './refusal.ts';
import { taskFunctions } from './task-functions.ts';

const find = (name: string, type: string, withTrrc: boolean): Fn => ({
  ...{ module: 'Parties', name, verb: 'GET', returns: 'longs', since: '4.8' },
  params: [
    ['tin', 'string', true],
    ...(withTrrc ? ([['trrc', 'string', true]] as Fn['params']) : []),
    ['name', 'string', true],
  ],
  run: ({ store }, args) => sameCounterparties(store, type, args.tin, args.trrc ?? null, args.name),
});

const functions: Fn[] = [
  {
    ...{
      module: 'Docflow',
      name: 'GetCurrentCultureName',
      verb: 'GET',
      params: [],
      returns: 'string',
      since: '4.3',
    },
    run: () => 'ru-RU',
  },
  {
    ...{
      module: 'Company',
      name: 'IsCurrentUserAdmin',
      verb: 'GET',
      params: [],
      returns: 'bool',
      since: '4.11',
    },
    run: () => false,
  },
  {
    ...{ module: 'Docflow', name: 'GetDocumentKindIdByGuid', verb: 'GET', returns: 'long', since: '4.3' },
    params: [
      ['documentType', 'guid'],
      ['kindGuid', 'guid'],
    ],
    run({ store }, args) {
      const kind = store.list('DocumentKind').find((one) => one.$guid === args.kindGuid);
      if (!kind) throw new Refusal(500, 'Object reference not set to an instance of an object.');
      const type = store.find('DocumentType', kind.DocumentType);
      const same = type?.DocumentTypeGuid.toLowerCase() === args.documentType;
      return kind.Status === 'Active' && same ? kind.Id : 0;
    },
  },
  find('GetCounterpartyIds', 'Counterparty', true),
  find('GetCompanyIds', 'Company', true),
  find('GetPersonIds', 'Person', false),
  ...documentFunctions,
  ...taskFunctions,
];

export const available = (generation: Generation) => functions.filter((fn) => reaches(generation, fn.since));
