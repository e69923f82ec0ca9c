import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listed } from '../../src/directum/directories/listed.ts';
import { contract } from '../../src/documents/types/document-types.ts';
import { type Directum, startDirectum } from '../sandbox/directum/directum.ts';
import { adapter, company, INN, KPP, label } from './stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;
beforeEach(async () => {
  stand = await startDirectum();
  bench = adapter(stand);
});
afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

const some = <T>(count: number, one: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => one(n));
const MAIN = { GroupId: '08e1ef90-521f-41a1-a13f-c6f175007e54' };

describe('a list longer than a page', () => {
  it('of drafts does not hide a running task that is older than they', async () => {
    const documentId = stand.add('IContracts', { Name: 'Договор', DocumentKind: 1 });
    const AttachmentDetails = [{ ...MAIN, AttachmentId: documentId }];
    const running = stand.add('IApprovalTasks', { Status: 'InProcess', AttachmentDetails });
    some(120, () => stand.add('IApprovalTasks', { Status: 'Draft', AttachmentDetails }));
    const asked = { documentId, signatoryId: null, approverIds: [], deadline: null, text: null };
    expect(await bench.directum.approvals.start({ ...asked, type: 'rule' })).toMatchObject({
      taskId: running,
      started: false,
    });
  });

  it('of tasks does not hide the one that was started last', async () => {
    const documentId = stand.add('IContracts', { Name: 'Договор' });
    const AttachmentDetails = [{ ...MAIN, AttachmentId: documentId }];
    const add = (Started: string) =>
      stand.add('IApprovalTasks', { Status: 'InProcess', Started, AttachmentDetails });
    const last = add('2026-03-09T10:00:00Z');
    some(120, () => add('2026-03-02T10:00:00Z'));
    expect(await bench.directum.states.newestTask(documentId)).toMatchObject({ id: last });
  });

  it('of assignments does not hide who signed', async () => {
    const task = stand.add('IApprovalTasks', { Status: 'InProcess' });
    const person = stand.all('IEmployees')[0];
    const done = { Task: task, Status: 'Completed', Completed: '2026-03-02T10:00:00Z' };
    stand.add('IApprovalSigningAssignments', { ...done, Result: 'Sign', Performer: person['Id'] });
    some(120, () => stand.add('IApprovalAssignments', { ...done, Result: 'Approved' }));
    expect(await bench.directum.states.signing(task)).toMatchObject({ by: person['Name'] });
  });
});

describe('namesakes', () => {
  it('of a document kind are named, and how many more there are', async () => {
    const ids = some(60, () => stand.add('IDocumentKinds', { Name: 'Двойник', DocumentFlow: 'Contracts' }));
    const failure = await bench.directum.catalogue
      .documentKind(contract, 'двойник', label)
      .catch((error) => error);
    expect(failure).toMatchObject({ code: 'reference_ambiguous' });
    const shown = ids.filter((id) => new RegExp(`\\b${id}\\b`).test(failure.text.ru)).length;
    expect(failure.text.ru).toContain(`и ещё ${60 - shown}`);
    expect(failure.text.ru.length).toBeLessThanOrEqual(500);
  });

  it('among counterparties are named, and how many more there are', async () => {
    const ids = some(90, (n) =>
      stand.add('ICompanies', { Name: `ООО ${n}`, TIN: INN, TRRC: KPP, Id: 900_000 + n }),
    );
    const failure = await bench.directum.counterparties.sync(company(), 'none').catch((error) => error);
    expect(failure).toMatchObject({ code: 'counterparty_ambiguous' });
    const shown = ids.filter((id) => failure.text.ru.includes(String(id))).length;
    expect(shown).toBeGreaterThan(20);
    for (const [language, more] of [
      ['ru', `и ещё ${90 - shown}`],
      ['en', `and ${90 - shown} more`],
    ] as const) {
      expect(failure.text[language]).toContain(more);
      expect(failure.text[language].length).toBeLessThanOrEqual(500);
    }
  });

  it('are listed within any room, none silently left out', () => {
    const names = fc.array(fc.stringMatching(/^[a-z0-9]{1,12}$/), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(names, fc.integer({ min: 40, max: 400 }), (all, room) => {
        const { ru, en } = listed(all, room);
        expect(Math.max(ru.length, en.length)).toBeLessThanOrEqual(room);
        const more = Number(/ and (\d+) more$/.exec(en)?.[1] ?? 0);
        const shown = en.replace(/ and \d+ more$/, '').split(', ');
        expect(shown.length + more).toBe(all.length);
      }),
    );
  });
});
