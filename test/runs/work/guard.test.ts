import { expect, it } from 'vitest';
import { contract } from '../../../src/documents/types/document-types.ts';
import type { DirectumPort } from '../../../src/robot/ports/directum.ts';
import type { DocumentSlotsPort } from '../../../src/robot/ports/document-slots.ts';
import type { PortalPort } from '../../../src/robot/ports/portal.ts';
import { guardEffects } from '../../../src/runs/work/guard.ts';

/** A port whose every method says that it was called. */
const port = (name: string, done: string[]) =>
  new Proxy({}, { get: (_, method) => async () => void done.push(`${name}.${String(method)}`) });
const GROUPS = [
  'catalogue',
  'employees',
  'counterparties',
  'documents',
  'versions',
  'approvals',
  'states',
  'new',
];

function ports(demand: () => Promise<void>, check: () => void = () => undefined, isCheck = false) {
  const done: string[] = [];
  const directum = Object.fromEntries(GROUPS.map((group) => [group, port(group, done)]));
  const guarded = guardEffects({
    portal: port('portal', done) as PortalPort,
    directum: directum as unknown as DirectumPort,
    slots: port('slots', done) as DocumentSlotsPort,
    proof: { demand },
    locks: { check },
    isCheck,
  });
  return { done, ...guarded };
}

it('whatever is no look waits for the proof, also what nobody thought of', async () => {
  const { done, portal, directum, slots } = ports(() => Promise.reject(new Error('no proof')));
  const every = directum as unknown as Record<string, Record<string, () => Promise<void>>>;
  const effects = [
    () => directum.counterparties.sync({} as never, 'fill'),
    () => directum.documents.create(contract, '', {} as never),
    () => directum.documents.update(contract, 1, {} as never),
    () => directum.documents.adopt(contract, 1, ''),
    () => directum.versions.fromTemplate(contract, 1, 1),
    () => directum.versions.fromFile(contract, 1, {} as never),
    () => directum.approvals.start({} as never),
    () => every['new']?.['anything']?.(),
    () => every['states']?.['somethingNew']?.(),
    () => portal.saveFile('', {} as never),
    () => slots.begin(''),
    () => slots.bind('', {} as never),
    () => slots.give(1),
    () => slots.release('', 1),
  ];
  for (const effect of effects) await expect(effect()).rejects.toThrow('no proof');
  expect(done).toEqual([]);
  await directum.documents.byExternalId(contract, '');
  await slots.find('');
  await portal.read();
  expect(done).toEqual(['documents.byExternalId', 'slots.find', 'portal.read']);
});

it('and is done with it', async () => {
  const { done, slots } = ports(async () => undefined);
  await slots.give(1);
  expect(done).toEqual(['slots.give']);
});

it('and what is written to the portal needs the run to be the attempt’s own', async () => {
  const overtaken = () => {
    throw new Error('overtaken');
  };
  const { done, portal } = ports(async () => undefined, overtaken);
  await expect(portal.saveFile('', {} as never)).rejects.toThrow('overtaken');
  await portal.read();
  expect(done).toEqual(['portal.read']);
});

it('lets no effect of a check through, whatever the portal says of the call', async () => {
  const { done, portal, directum, slots } = ports(async () => undefined, undefined, true);
  for (const effect of [
    () => directum.counterparties.sync({} as never, 'fill'),
    () => directum.documents.create(contract, '', {} as never),
    () => portal.generateFile({} as never),
    () => slots.bind('', {} as never),
  ])
    await expect(effect()).rejects.toThrow('a check changes nothing');
  await directum.counterparties.check({} as never, 'fill');
  expect(done).toEqual(['counterparties.check']);
});
