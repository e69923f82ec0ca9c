import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TYPE_GUID } from '../../../src/directum/http/links.ts';
import type { ApprovalRequest } from '../../../src/robot/ports/directum.ts';
import { parseDateTime, WireValueError } from '../../../src/robot/wire-values.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter } from '../stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;
let documentId: number;

beforeEach(async () => {
  stand = await startDirectum();
  bench = adapter(stand);
  documentId = stand.add('IContracts', {
    Name: 'Договор',
    DocumentKind: 1,
    BusinessUnit: stand.all('IBusinessUnits')[0]!['Id'],
    Department: stand.all('IDepartments')[0]!['Id'],
  });
});
afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

const start = (changes: Partial<ApprovalRequest> = {}) =>
  bench.directum.approvals.start({
    documentId,
    type: 'rule',
    signatoryId: null,
    approverIds: [],
    deadline: null,
    text: null,
    ...changes,
  });
const bodies = (name: string) =>
  stand.journal.filter(({ path }) => path.includes(name)).map(({ body }) => body);
const person = (email: string) =>
  Number(stand.all('IEmployees').find((one) => one['Email'] === email)!['Id']);

describe('start', () => {
  it('sends every key, and lists that are never null', async () => {
    await start();
    expect(bodies('CreateApprovalTask')).toEqual([
      { documentId, text: null, signatoryId: null, addApproverIds: [] },
    ]);
  });

  it.each(['4.3', '4.8', '4.11'] as const)(
    'goes by process only where %s has it, else by rule',
    async (generation) => {
      const other = await startDirectum({ generation });
      const ours = adapter(other);
      try {
        const id = other.add('IContracts', {
          Name: 'Договор',
          DocumentKind: 1,
          BusinessUnit: other.all('IBusinessUnits')[0]!['Id'],
        });
        const asked = { documentId: id, signatoryId: null, approverIds: [], deadline: null, text: null };
        const { url } = await ours.directum.approvals.start({ ...asked, type: 'auto' });
        expect(url).toContain(generation === '4.11' ? TYPE_GUID.DocumentFlowTask : TYPE_GUID.ApprovalTask);
      } finally {
        await ours.service.close();
        await other.stop();
      }
    },
  );

  it('does not take a document attached as an addendum for one on approval', async () => {
    stand.add('IApprovalTasks', {
      Subject: 'Другая',
      Status: 'InProcess',
      AttachmentDetails: [{ GroupId: 'ffffffff-0000-4000-8000-000000000000', AttachmentId: documentId }],
    });
    expect(await start()).toMatchObject({ started: true });
  });

  it.each(['UnderReview', 'Suspended'])(
    'returns a task in %s, though newer finished ones exist',
    async (status) => {
      const running = await start();
      stand.patch('IApprovalTasks', running.taskId, { Status: status });
      const row = { GroupId: 'cd77936e-884e-44bb-b869-9a60f9f5f2b4', AttachmentId: documentId };
      stand.add('IFreeApprovalTasks', { Subject: 'x', Status: 'Completed', AttachmentDetails: [row] });
      expect(await start({ type: 'process' })).toEqual({ ...running, started: false });
    },
  );

  it('starts anew after an aborted task', async () => {
    const first = await start();
    stand.abortTask(first.taskId);
    const second = await start();
    expect(second.started).toBe(true);
    expect(second.taskId).not.toBe(first.taskId);
  });

  it('writes the signatory of a process through the own type of the document, once', async () => {
    const signatoryId = person('sidorov@acme.example');
    await start({ type: 'process', signatoryId });
    const writes = stand.journal.filter(({ verb }) => verb === 'PATCH').map(({ path }) => path);
    expect(writes).toHaveLength(1);
    expect(writes[0]).toContain(`IContracts(${documentId})`);
  });

  it('passes a lock of the card on as one that heals', async () => {
    stand.lockCard(documentId);
    await expect(
      start({ type: 'process', signatoryId: person('sidorov@acme.example') }),
    ).rejects.toMatchObject({ code: 'directum_locked', heals: true });
    expect(bodies('CreateDocumentFlowTask')).toEqual([]);
  });

  it('answers the task somebody started a moment before us', async () => {
    stand.misbehave.next({ verb: 'POST', path: 'StartTask', delayMs: 300 });
    const answer = start();
    await expect.poll(() => stand.all('IApprovalTasks').length).toBe(1);
    const [draft] = stand.all('IApprovalTasks');
    stand.patch('IApprovalTasks', Number(draft!['Id']), { Status: 'InProcess' });
    expect(await answer).toMatchObject({ taskId: draft!['Id'] });
  });

  it.each([
    ['approval_unavailable', 'Не удалось подобрать подходящий регламент.'],
    ['approval_unavailable', 'Регламент согласования для документа не найден.'],
    ['approval_unavailable', 'Approval rule was not found.'],
    ['approval_unavailable', 'Для документа не определён вариант процесса.'],
    ['approval_unavailable', 'Не заполнено обязательное свойство «Регламент».'],
    ['approval_unavailable', 'No suitable approval rule for the document.'],
    ['approval_unavailable', 'Could not find a process for the document.'],
    ['directum_refused', 'Не удалось вычислить исполнителя задания процесса.'],
    ['directum_refused', 'Подписывающий не имеет права подписи по регламенту.'],
    ['directum_refused', 'Нет прав на изменение документа: их требует регламент.'],
    ['directum_refused', 'По регламенту согласования не найден регистратор.'],
    ['directum_refused', 'Не определён исполнитель блока процесса.'],
    ['directum_refused', 'You have no right to change documents sent by this process.'],
    ['directum_refused', 'The process performer was not found.'],
  ])('%s: %s', async (code, error) => {
    stand.misbehave.next({ verb: 'POST', path: 'StartTask', status: 400, body: { error } });
    const failed = await start().catch((caught) => caught);
    expect(failed).toMatchObject({ code });
    expect(failed.text.ru).toContain(error);
  });

  it.each([
    ['approval_unavailable', 'Укажите регламент.'],
    ['approval_unavailable', 'ApprovalRule is required.'],
    ['directum_refused', 'Нет прав на создание задач по регламенту.'],
    ['approval_unavailable', 'Не заполнено обязательное свойство "ApprovalRule".'],
    ['directum_refused', 'Create free approval task. Employee with ID (31) not found.'],
    ['directum_refused', 'Документ «Регламент закупок» не прошёл проверку.'],
    ['directum_refused', 'Документ «Нет подходящего регламента» не прошёл проверку.'],
    ['directum_refused', 'Контрагент Process Ltd не прошёл проверку.'],
  ])('%s at the creation: %s', async (code, error) => {
    stand.misbehave.next({ verb: 'POST', path: 'CreateApprovalTask', status: 400, body: { error } });
    await expect(start()).rejects.toMatchObject({ code });
  });

  it('sees a running task behind many newer drafts', async () => {
    const running = await start();
    const row = { GroupId: '08e1ef90-521f-41a1-a13f-c6f175007e54', AttachmentId: documentId };
    for (let n = 0; n < 25; n += 1)
      stand.add('IApprovalTasks', { Subject: 'Черновик', Status: 'Draft', AttachmentDetails: [row] });
    expect(await start()).toEqual({ ...running, started: false });
  });

  it.each(['sidorov', null])(
    "uses its own draft again and leaves a person's alone (login %s)",
    async (loginName) => {
      stand.misbehave.next({ verb: 'POST', path: 'StartTask', status: 400, body: { error: 'позже' } });
      await start().catch(() => null);
      const [own] = stand.all('IApprovalTasks');
      const row = { GroupId: '08e1ef90-521f-41a1-a13f-c6f175007e54', AttachmentId: documentId };
      const lawyer = person('sidorov@acme.example');
      const Login = loginName === null ? null : stand.add('ILogins', { LoginName: loginName });
      stand.patch('IEmployees', lawyer, { Login });
      const theirs = stand.add('IApprovalTasks', {
        Subject: 'Черновик юриста',
        Status: 'Draft',
        Author: lawyer,
        AttachmentDetails: [row],
      });
      expect(await start()).toMatchObject({ taskId: own!['Id'], started: true });
      expect(stand.get('IApprovalTasks', theirs)['Status']).toBe('Draft');
    },
  );

  it('leaves a draft whose deadline is another one, and uses it again where the deadline is the same', async () => {
    const free = (deadline: string | null) =>
      start({ type: 'free', approverIds: [person('petrova@acme.example')], deadline });
    const refusal = { verb: 'POST', path: 'StartTask', status: 400, body: { error: 'срок прошёл' } } as const;
    stand.misbehave.next(refusal);
    await free('2027-03-20T15:00:00.000Z').catch(() => null);
    stand.misbehave.next(refusal);
    await free('2027-04-20T15:00:00.000Z').catch(() => null);
    const again = await free('2027-04-20T15:00:00.000Z');
    expect(
      stand.all('IFreeApprovalTasks').map((task) => [task['Id'] === again.taskId, task['Status']]),
    ).toEqual([
      [false, 'Draft'],
      [true, 'InProcess'],
    ]);
    expect(Date.parse(String(stand.get('IFreeApprovalTasks', again.taskId)['MaxDeadline']))).toBe(
      Date.parse('2027-04-20T15:00:00Z'),
    );
  });

  it.each(['IContracts', 'ISimpleDocuments'])(
    'writes the signatory of a process into %s although no answer tells its type',
    async (set) => {
      const id =
        set === 'IContracts'
          ? documentId
          : stand.add(set, { Name: 'Письмо', DocumentKind: 1, OurSignatory: null });
      const plain = { Id: id };
      stand.misbehave.next({ verb: 'GET', path: `IOfficialDocuments(${id})`, status: 200, body: plain });
      await start({ type: 'process', documentId: id, signatoryId: person('sidorov@acme.example') });
      expect(stand.get(set, id)['OurSignatory']).toMatchObject({ Id: person('sidorov@acme.example') });
    },
  );

  it('does not take condition texts of a rule for a missing rule', async () => {
    stand.misbehave.next({
      verb: 'POST',
      path: 'StartTask',
      status: 400,
      body: { error: 'Заполните сумму: она нужна регламенту.' },
    });
    await expect(start()).rejects.toMatchObject({ code: 'directum_refused' });
    stand.misbehave.next({
      verb: 'POST',
      path: 'StartTask',
      status: 400,
      body: { error: 'Нет подходящего регламента согласования для документа.' },
    });
    await expect(start()).rejects.toMatchObject({ code: 'approval_unavailable' });
  });
});

describe('parseDateTime', () => {
  it.each([
    ['2026-03-20T18:00:00+03:00', '2026-03-20T15:00:00.000Z'],
    ['2026-03-20T18:00:00Z', '2026-03-20T18:00:00.000Z'],
    ['20.03.2026 18:00:00', '2026-03-20T15:00:00.000Z'],
    ['20.03.2026 18:00', '2026-03-20T15:00:00.000Z'],
    ['03/20/2026 06:00:00 pm', '2026-03-20T15:00:00.000Z'],
    ['03/20/2026 12:05:00 am', '2026-03-19T21:05:00.000Z'],
    ['20.03.2026', '2026-03-20T20:59:59.000Z'],
  ])('%s in Moscow is %s', (text, iso) => {
    expect(parseDateTime(text, 'Europe/Moscow')).toBe(iso);
  });

  it('follows a change of the clocks', () => {
    expect(parseDateTime('2026-03-29 01:30', 'Europe/Berlin')).toBe('2026-03-29T00:30:00.000Z');
    expect(parseDateTime('2026-03-29 03:30', 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
  });

  it.each(['завтра', '20.03.2026 25:00', '03/20/2026 13:00 pm', '31.02.2026 10:00', '20.03.2026 10:75'])(
    'refuses %s',
    (text) => {
      expect(() => parseDateTime(text, 'Europe/Moscow')).toThrow(WireValueError);
    },
  );
});
