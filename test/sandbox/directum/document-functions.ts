import { calendarDay } from './dates.ts';
import { saveRegistration } from './document-rules.ts';
import { type Fn, officialDocument, type World } from './function-args.ts';
import { relationNames } from './leading.ts';
import { bad, invented } from './refusal.ts';
import { defaultRegister, registerFits } from './registration.ts';
import type { Entity } from './store.ts';
import { addRow, newBody } from './write.ts';

/** The service account saves registration fields, with the checks of any other save. */
function register(world: World, document: Entity, fields: Entity): void {
  if (!world.changeable(document)) throw invented('Нет прав на изменение документа.');
  world.saving(document);
  saveRegistration(world.store, document, fields, world.caller.user);
}

function usable(
  world: World,
  registerId: number,
  kindId: number,
  unit: number | null,
  department: number | null,
) {
  const found = world.store.find('DocumentRegister', registerId);
  const document = { DocumentKind: kindId, BusinessUnit: unit, Department: department };
  return found !== undefined && registerFits(world.store, found, document);
}

/** What the service does to one document besides its properties: bodies, registration, relations (contract D.5, D.6). */
export const documentFunctions: Fn[] = [
  {
    ...{ module: 'Docflow', name: 'CreateVersionFromTemplate', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['templateId', 'long'],
    ],
    run(world, { documentId, templateId }) {
      const { store } = world;
      const document = officialDocument(world, documentId, 'CreateVersionFromTemplate');
      const template = store.find('DocumentTemplate', templateId);
      if (!template) throw bad(`CreateVersionFromTemplate. Template with ID (${templateId}) not found.`);
      const source = template.Versions?.[0];
      if (!source?.Body)
        throw bad(
          `Failed to create document from template. Document ID (${documentId}), template ID (${templateId})`,
        );
      world.saving(document);
      // The template's words with the card's values, enough to see that the fields were filled.
      const party = store.find('Counterparty', document.Counterparty)?.Name ?? '';
      const words = source.Body.bytes
        .toString()
        .replaceAll('{Subject}', document.Subject ?? '')
        .replaceAll('{Counterparty}', party);
      const body = newBody(
        Buffer.from(words.replaceAll('{TotalAmount}', String(document.TotalAmount ?? ''))),
      );
      const versions = store.typeOf(document).props.get('Versions')!;
      addRow(store, document, versions, {
        AssociatedApplication: source.AssociatedApplication,
        Author: world.caller.user,
        Body: body,
      });
      document.Modified = store.now().toISOString();
    },
  },
  {
    ...{ module: 'Docflow', name: 'RegisterDocument', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['documentId', 'long'],
      ['documentRegisterId', 'long'],
      ['registrationDate', 'time', true],
      ['registrationNumber', 'string', true],
      ['numberReservation', 'bool', true],
    ],
    run(world, args) {
      const document = officialDocument(world, args.documentId, 'Register document');
      const found = world.store.find('DocumentRegister', args.documentRegisterId);
      if (!found)
        throw bad(`Register document. Document register with ID (${args.documentRegisterId}) not found.`);
      register(world, document, {
        DocumentRegister: found.Id,
        RegistrationNumber: args.registrationNumber,
        RegistrationDate: calendarDay(args.registrationDate ?? world.store.now().toISOString(), world.offset),
        RegistrationState: args.numberReservation === true ? 'Reserved' : 'Registered',
      });
    },
  },
  {
    ...{
      module: 'Docflow',
      name: 'TryExternalRegisterDocument',
      verb: 'GET',
      returns: 'bool',
      since: '4.8',
      writes: true,
    },
    params: [
      ['documentId', 'long'],
      ['number', 'string', true],
      ['date', 'time', true],
    ],
    run(world, { documentId, number, date }) {
      const { store } = world;
      const document = officialDocument(world, documentId, 'Register document');
      const numerable = store.find('DocumentKind', document.DocumentKind)?.NumberingType === 'Numerable';
      const found = numerable ? defaultRegister(store, document) : undefined;
      if (!number || !date || !found) return false;
      register(world, document, {
        DocumentRegister: found.Id,
        RegistrationNumber: number,
        RegistrationDate: calendarDay(date, world.offset),
        RegistrationState: 'Registered',
      });
      return true;
    },
  },
  {
    ...{ module: 'Docflow', name: 'CheckDocumentRegister', verb: 'GET', returns: 'bool', since: '4.8' },
    params: [
      ['documentRegisterId', 'long'],
      ['documentKindId', 'long'],
      ['businessUnitId', 'long', true],
      ['departmentId', 'long', true],
    ],
    run: (world, args) =>
      usable(world, args.documentRegisterId, args.documentKindId, args.businessUnitId, args.departmentId),
  },
  {
    ...{
      module: 'Docflow',
      name: 'CheckDocumentRegisterByTinAndTrrc',
      verb: 'GET',
      returns: 'bool',
      since: '4.8',
    },
    params: [
      ['documentRegisterId', 'long'],
      ['documentKindId', 'long'],
      ['businessUnitTin', 'string', true],
      ['businessUnitTrrc', 'string', true],
      ['departmentId', 'long', true],
    ],
    run(world, args) {
      const { businessUnitTin: tin, businessUnitTrrc: trrc } = args;
      if (!tin !== !trrc) return false;
      const unit = world.store.list('BusinessUnit').find((one) => one.TIN === tin && one.TRRC === trrc);
      if (tin && !unit) return false;
      return usable(
        world,
        args.documentRegisterId,
        args.documentKindId,
        tin ? unit.Id : null,
        args.departmentId,
      );
    },
  },
  {
    ...{ module: 'Docflow', name: 'AddRelations', verb: 'POST', returns: null, since: '4.3' },
    params: [
      ['relationName', 'string'],
      ['baseDocumentId', 'long'],
      ['relationDocumentId', 'long'],
    ],
    run(world, { relationName, baseDocumentId, relationDocumentId }) {
      if (!relationNames.includes(relationName)) throw invented(`Тип связи «${relationName}» не найден.`);
      const [base, related] = [baseDocumentId, relationDocumentId].map(
        (id: number) => officialDocument(world, id, 'Add relations').Id,
      );
      world.store.relate({ name: relationName, base, related, byProperty: false });
    },
  },
];
