import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMetadata } from '../../../src/directum/odata/metadata.ts';
import { passingTime } from '../../passing-time.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter } from '../stand.ts';

let stand: Directum;
beforeEach(async () => {
  stand = await startDirectum();
});
afterEach(() => stand.stop());

const read = () => stand.journal.filter(({ path }) => path.includes('metadata')).length;

it('reads the metadata once for a day, for all processes of one cache', async () => {
  let time = Date.parse('2026-03-02T00:00:00Z');
  const now = () => new Date(time);
  const passing = passingTime();
  const first = adapter(stand, { now });
  await Promise.all([1, 2, 3].map(() => first.service.capabilities()));
  const second = adapter(stand, { now, cache: first.cache });
  const can = await second.service.capabilities();
  expect(read()).toBe(1);
  time -= 3 * 3_600_000;
  passing.pass(25 * 3_600_000);
  await second.service.capabilities();
  expect(read()).toBe(2);
  expect(can.set('Contract')).toBe('IContracts');
  expect(can.set('Person')).toBe('IPersons');
  expect(can.set('Nothing')).toBeNull();
  expect(() => can.need('Nothing')).toThrow(expect.objectContaining({ code: 'directum_refused' }));
  expect(can.property('Contract', 'Counterparty')).toMatch(/^>/);
  expect(can.property('Contract', 'RegistrationNumber')).toBe('String');
  expect(can.property('Contract', 'Milestones')).toMatch(/^\*/);
  expect(can.property('Contract', 'toString')).toBeNull();
  expect(can.has('Docflow/StartTask')).toBe(true);
  expect(can.wideIds).toBe(true);
  await first.service.close();
  await second.service.close();
});

it('tries again after a failed reading', async () => {
  const { service } = adapter(stand);
  stand.misbehave.next({ path: 'metadata', status: 503, body: 'x' });
  await expect(service.capabilities()).rejects.toMatchObject({ code: 'directum_unavailable' });
  expect((await service.capabilities()).set('Contract')).toBe('IContracts');
  await service.close();
});

describe('a customer layer', () => {
  it('is read by the leaf of its type, with inherited properties and a changed set name', () => {
    const model = parseMetadata(`<edmx:Edmx xmlns:edmx="x"><edmx:DataServices>
      <Schema Namespace="Sungero.Docflow"><EntityType Name="IOfficialDocumentDto"><Property Name="Id" Type="Edm.Int64"/></EntityType></Schema>
      <Schema Namespace="Aura.NPO"><EntityType Name="IContractDto" BaseType="Sungero.Docflow.IOfficialDocumentDto">
        <Property Name="Color" Type="Edm.String"/><NavigationProperty Name="Rows" Type="Collection(Aura.NPO.IContractRowsDto)"/></EntityType></Schema>
      <Schema Namespace="S"><EntityContainer Name="C"><EntitySet Name="IAuraContracts" EntityType="Aura.NPO.IContractDto"/></EntityContainer></Schema>
    </edmx:DataServices></edmx:Edmx>`);
    expect(model.sets).toEqual({ IAuraContracts: 'Contract' });
    expect(model.types['Contract']).toEqual({
      base: 'OfficialDocument',
      properties: { Color: 'String', Rows: '*ContractRows' },
    });
  });

  it.each(['', '<html><body>login</body></html>', '{}', '<a'])('takes %j for no metadata', (text) => {
    expect(() => parseMetadata(text)).toThrow(expect.objectContaining({ code: 'directum_unavailable' }));
  });
});
