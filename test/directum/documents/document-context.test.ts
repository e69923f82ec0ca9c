import { afterEach, describe, expect, it } from 'vitest';
import { passingTime } from '../../passing-time.ts';
import { type Directum, type DirectumOptions, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter } from '../stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;
let time = Date.parse('2026-03-02T09:00:00Z');

async function begin(options: DirectumOptions = {}) {
  time = Date.parse('2026-03-02T09:00:00Z');
  stand = await startDirectum({ now: () => new Date(time), ...options });
  bench = adapter(stand, { now: () => new Date(time) });
}
const ask = () => bench.service.documentContext;

afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

const person = (email: string): number =>
  stand.all('IEmployees').find((one) => one['Email'] === email)!['Id'];
const addContract = (fields: Record<string, unknown> = {}): number =>
  stand.add('IContracts', {
    Name: 'Договор',
    DocumentKind: 1,
    BusinessUnit: stand.all('IBusinessUnits')[0]!['Id'],
    Department: stand.all('IDepartments')[0]!['Id'],
    ...fields,
  });
const approve = (
  documentId: number,
  type: 'rule' | 'process' | 'free' = 'rule',
  approverIds: number[] = [],
) =>
  bench.directum.approvals.start({
    ...{ documentId, type, approverIds },
    ...{ signatoryId: null, deadline: null, text: 'Прошу согласовать' },
  });
/** Assignments past all rules, for counts that people would not reach. */
const addAssignments = (taskId: number, count: number, fields: Record<string, unknown> = {}) => {
  if (!stand.get('ITasks', taskId))
    stand.add('ISimpleTasks', { Id: taskId, Subject: 'Задача', Status: 'InProcess' });
  for (let n = 0; n < count; n++)
    stand.add('ISimpleAssignments', { Subject: `№${n}`, Task: taskId, MainTask: taskId, ...fields });
};
const asked = (set: string) => stand.journal.filter(({ path }) => path === set);
const METADATA = /^\$metadata/;

/** The stand's own `$metadata` less what `pattern` matches. */
async function withoutInMetadata(pattern: RegExp): Promise<void> {
  const authorization = `Basic ${Buffer.from('bitrix24:secret').toString('base64')}`;
  const xml = await (await fetch(`${stand.url}$metadata`, { headers: { authorization } })).text();
  expect(xml).toMatch(pattern);
  stand.misbehave.next({ path: METADATA, status: 200, body: xml.replace(pattern, '') });
}

describe.each(['4.3', '4.8', '4.11'] as const)('around documents of Directum %s', (generation) => {
  it('an assignment is told with its performer, task, link and deadline', async () => {
    await begin({ generation, offset: '+04:00' });
    const { taskId } = await approve(addContract());
    const [made] = stand.all('IAssignments');
    stand.patch('IAssignments', made!['Id'], { Deadline: '2026-03-05T14:00:00.500Z' });
    expect(await ask().assignmentsOf([taskId])).toEqual([
      {
        id: made!['Id'],
        taskId,
        kind: 'approval',
        url: `${stand.webUrl}/#/card/91cbfdc8-5d5d-465e-95a4-3235b8c01d5b/${made!['Id']}`,
        subject: 'Согласуйте: Договор',
        status: 'InProcess',
        result: null,
        deadline: '2026-03-05T18:00:00+04:00',
        created: '2026-03-02T13:00:00+04:00',
        completed: null,
        modified: '2026-03-02T13:00:00+04:00',
        performer: {
          id: person('petrova@acme.example'),
          name: 'Петрова Анна',
          email: 'petrova@acme.example',
        },
        comment: null,
      },
    ]);
  });

  it('what changed since is told with results and comments, once an hour has passed', async () => {
    await begin({ generation });
    const { taskId } = await approve(addContract());
    await approve(addContract());
    const since = '2026-03-02T12:00:00+03:00';
    expect(await ask().newestAssignment()).toBe(since);
    expect(await ask().assignments(since, 0)).toEqual({ rows: [], next: null });
    time += 3_600_000;
    stand.requestRework(taskId, 'Сумма прописью');
    const { rows, next } = await ask().assignments(since, 0);
    expect(next).toBeNull();
    expect(rows).toMatchObject([
      { taskId, kind: 'approval', status: 'Completed', result: 'ForRevision', comment: 'Сумма прописью' },
      {
        taskId,
        kind: 'rework',
        status: 'InProcess',
        result: null,
        comment: null,
        subject: 'Доработайте: Договор',
      },
    ]);
    expect(rows[0]!.completed).toBe('2026-03-02T13:00:00+03:00');
    expect(await ask().newestAssignment()).toBe('2026-03-02T13:00:00+03:00');
    expect((await ask().assignments(since, rows[0]!.id)).rows).toEqual([rows[1]]);
  });

  it('tasks are found by their main document, of every kind there is, and drafts are not', async () => {
    await begin({ generation });
    const kinds =
      generation === '4.11' ? (['rule', 'process', 'free'] as const) : (['rule', 'free'] as const);
    const documents = kinds.map(() => addContract());
    const tasks: { id: number; status: string; documentIds: number[] }[] = [];
    for (const [at, kind] of kinds.entries()) {
      const { taskId } = await approve(documents[at]!, kind, [person('ivanov@acme.example')]);
      tasks.push({ id: taskId, status: 'InProcess', documentIds: [documents[at]!] });
    }
    const row = { GroupId: '08e1ef90-521f-41a1-a13f-c6f175007e54', AttachmentId: documents[0] };
    stand.add('IApprovalTasks', { Subject: 'черновик', Status: 'Draft', AttachmentDetails: [row] });
    const addendum = { ...row, GroupId: 'ffffffff-0000-4000-8000-000000000000' };
    stand.add('IApprovalTasks', { Subject: 'чужая', Status: 'InProcess', AttachmentDetails: [addendum] });
    // A free approval's main group in a task by rule is an addendum, too.
    const foreign = { ...row, GroupId: 'cd77936e-884e-44bb-b869-9a60f9f5f2b4' };
    stand.add('IApprovalTasks', { Subject: 'чужая', Status: 'InProcess', AttachmentDetails: [foreign] });
    const found = await ask().tasksOf([...documents, addContract(), 999_999]);
    expect(found.toSorted((a, b) => a.id - b.id)).toMatchObject(tasks);
    expect(found).toHaveLength(tasks.length);
    expect(found.every(({ id, url }) => url.endsWith(`/${id}`))).toBe(true);
    expect(await ask().tasksOf([addContract()])).toEqual([]);
  });

  it('dates are the days written on the card, whatever the zone', async () => {
    for (const offset of ['+12:00', '-08:00']) {
      await begin({ generation, offset });
      const responsible = person('ivanov@acme.example');
      const id = addContract({
        ...{ ValidTill: '2026-12-31', ResponsibleEmployee: responsible },
        Milestones: [
          { Id: 11, Name: 'Аванс', Deadline: '2026-04-01', IsCompleted: true },
          { Id: 12, Name: 'Поставка', IsCompleted: false },
        ],
      });
      const bare = addContract();
      const letter = stand.add('ISimpleDocuments', { Name: 'Письмо' });
      expect(await ask().datesOf([id, letter, bare, 999_999])).toEqual([
        {
          id,
          validTill: '2026-12-31',
          milestones: [
            { id: 11, name: 'Аванс', deadline: '2026-04-01', completed: true },
            { id: 12, name: 'Поставка', deadline: null, completed: false },
          ],
        },
        { id: bare, validTill: null, milestones: [] },
      ]);
      if (offset === '-08:00') return;
      await bench.service.close();
      await stand.stop();
    }
  });
});

describe('a long list', () => {
  it('is read page by page: 250 assignments changed', async () => {
    await begin();
    addAssignments(7001, 250, { Modified: '2026-03-02T10:00:00Z' });
    const seen: number[] = [];
    const sizes: number[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const page = await ask().assignments('2026-03-02T09:00:00Z', after);
      seen.push(...page.rows.map((row) => row.id));
      sizes.push(page.rows.length);
      after = page.next;
    }
    expect(sizes).toEqual([100, 100, 50]);
    expect(seen).toEqual(stand.all('ISimpleAssignments').map((one) => one['Id']));
  });

  it('is read page by page: 250 assignments of one task', async () => {
    await begin();
    addAssignments(7001, 250);
    addAssignments(7002, 3);
    const rows = await ask().assignmentsOf([7001]);
    expect(new Set(rows.map((row) => row.id)).size).toBe(250);
    expect(new Set(rows.map((row) => row.taskId))).toEqual(new Set([7001]));
  });

  it('of ids is asked in parts that stay within the limit of a filter and of a line', async () => {
    await begin();
    const documents = Array.from({ length: 40 }, () => addContract());
    for (const id of documents)
      stand.add('IApprovalTasks', {
        ...{ Subject: 'x', Status: 'InProcess' },
        AttachmentDetails: [{ GroupId: '08e1ef90-521f-41a1-a13f-c6f175007e54', AttachmentId: id }],
      });
    const taskIds = stand.all('IApprovalTasks').map((one) => one['Id'] as number);
    for (const id of taskIds) addAssignments(id, 1);
    expect((await ask().tasksOf(documents)).map((one) => one.documentIds[0])).toEqual(documents);
    expect((await ask().assignmentsOf(taskIds)).map((one) => one.taskId)).toEqual(taskIds);
    expect((await ask().datesOf(documents)).map((one) => one.id)).toEqual(documents);
    expect(stand.journal.filter(({ status }) => status >= 400)).toEqual([]);
  });

  it('is halved where a stand refuses so many, down to one', async () => {
    await begin();
    const { taskId } = await approve(addContract());
    const others = [7101, 7102, 7103];
    for (const id of others) addAssignments(id, 1);
    stand.misbehave.next({
      path: /^IAssignments\?.*Task\/Id eq \d+ or Task/,
      ...{ status: 400, body: { error: 'The node count limit of 100 has been exceeded.' }, times: 99 },
    });
    const rows = await ask().assignmentsOf([taskId, ...others]);
    expect(rows.map((row) => row.taskId)).toEqual([taskId, ...others]);
    // Four, two and two are refused, then one by one.
    expect(asked('IAssignments')).toHaveLength(3 + 4);
  });

  it('is halved where the line would be too long', async () => {
    await begin();
    const document = addContract();
    stand.misbehave.next({ path: /^IContracts\?.* or /, status: 414, body: 'URI Too Long', times: 99 });
    expect(await ask().datesOf([999_999, document])).toMatchObject([{ id: document }]);
  });

  it('passes on what is refused for one id', async () => {
    await begin();
    const refusal = { status: 400, body: { error: 'Нет такого свойства' }, times: 99 };
    stand.misbehave.next({ path: /^IContracts\?/, ...refusal });
    await expect(ask().datesOf([1, 2])).rejects.toMatchObject({ code: 'directum_refused' });
    expect(asked('IContracts')).toHaveLength(2);
  });

  it('is not halved when Directum is down', async () => {
    await begin();
    stand.misbehave.next({ path: /^IContracts\?/, status: 503, body: 'x', times: 99 });
    await expect(ask().datesOf([1, 2, 3])).rejects.toMatchObject({ code: 'directum_unavailable' });
    expect(asked('IContracts')).toHaveLength(1);
  });

  it('asks nothing about nothing, and nobody twice', async () => {
    await begin();
    await bench.service.capabilities();
    stand.journal.length = 0;
    for (const ids of [ask().assignmentsOf([]), ask().tasksOf([]), ask().datesOf([])])
      expect(await ids).toEqual([]);
    expect(stand.journal).toEqual([]);
    const id = addContract();
    expect(await ask().datesOf([id, id])).toHaveLength(1);
    expect(asked('IContracts')[0]!.query).not.toContain(' or ');
  });
});

describe('what an installation does not show', () => {
  it('when an assignment changed: then nothing is said to have', async () => {
    await begin();
    await withoutInMetadata(
      /(?<=<EntityType Name="IAssignmentDto">.*)<Property Name="Modified"[^>]*>(?=.*)/s,
    );
    const { taskId } = await approve(addContract());
    stand.journal.length = 0;
    expect(await ask().newestAssignment()).toBeNull();
    expect(await ask().assignments('2020-01-01T00:00:00Z', 0)).toEqual({ rows: [], next: null });
    expect(stand.journal).toEqual([]);
    expect(await ask().assignmentsOf([taskId])).toMatchObject([{ modified: null, status: 'InProcess' }]);
    expect(asked('IAssignments')[0]!.query).not.toContain('Modified');
  });

  it('assignments at all', async () => {
    await begin();
    await withoutInMetadata(/<EntitySet Name="IAssignments"[^>]*>/);
    expect(await ask().newestAssignment()).toBeNull();
    expect(await ask().assignments('2020-01-01T00:00:00Z', 0)).toEqual({ rows: [], next: null });
    expect(await ask().assignmentsOf([7001])).toEqual([]);
  });

  it('stages of contracts, and when they end', async () => {
    await begin();
    await withoutInMetadata(/<NavigationProperty Name="Milestones"[^>]*>/);
    const id = addContract({ ValidTill: '2026-12-31' });
    expect(await ask().datesOf([id])).toEqual([{ id, validTill: '2026-12-31', milestones: [] }]);
    expect(asked('IContracts')[0]!.query).not.toContain('Milestones');
  });

  it('which texts people wrote', async () => {
    await begin();
    await withoutInMetadata(/<Property Name="IsAutoGenerated"[^>]*>/);
    addAssignments(7001, 1, { Texts: [{ Body: 'Сумма', Created: '2026-03-02T10:00:00Z' }] });
    expect((await ask().assignmentsOf([7001]))[0]!.comment).toBe('Сумма');
    expect(asked('IAssignments')[0]!.query).not.toContain('IsAutoGenerated');
  });

  it('e-mails of performers', async () => {
    await begin();
    await withoutInMetadata(/<EntitySet Name="IEmployees"[^>]*>/);
    addAssignments(7001, 1, { Performer: person('ivanov@acme.example') });
    expect((await ask().assignmentsOf([7001]))[0]!.performer).toMatchObject({
      name: 'Иванов Иван',
      email: null,
    });
  });
});

describe('performers', () => {
  it('are not taken for roles while no employee can be read', async () => {
    await begin();
    addAssignments(7001, 1, { Performer: person('petrova@acme.example') });
    stand.misbehave.hide('IEmployees');
    await expect(ask().assignmentsOf([7001])).rejects.toMatchObject({ code: 'directum_unavailable' });
    stand.misbehave.show('IEmployees');
    const [one] = await ask().assignmentsOf([7001]);
    expect(one?.performer?.email).toBe('petrova@acme.example');
  });

  it('are asked for once in five minutes, ten a question, and a role has no e-mail', async () => {
    await begin();
    const people = Array.from({ length: 12 }, (_, n) =>
      stand.add('IEmployees', { Name: `Сотрудник ${n}`, Email: `e${n}@acme.example` }),
    );
    const role = stand.add('IRoles', { Name: 'Юристы' });
    for (const Performer of [...people, role, people[0]!]) addAssignments(7001, 1, { Performer });
    const emails = async () => (await ask().assignmentsOf([7001])).map((row) => row.performer?.email);
    const expected = [...people.map((_, n) => `e${n}@acme.example`), null, 'e0@acme.example'];
    expect(await emails()).toEqual(expected);
    expect(asked('IEmployees')).toHaveLength(2);
    const passing = passingTime();
    passing.pass(4 * 60_000);
    expect(await emails()).toEqual(expected);
    expect(asked('IEmployees')).toHaveLength(2);
    passing.pass(2 * 60_000);
    stand.patch('IEmployees', people[0]!, { Email: 'new@acme.example' });
    expect((await emails())[0]).toBe('new@acme.example');
  });

  it('follow an assignment that is forwarded: the old one ends, the next begins', async () => {
    await begin();
    const { taskId } = await approve(addContract());
    const first = stand.all('IAssignments')[0]!['Id'];
    const second = stand.forward(first, person('ivanov@acme.example'));
    const third = stand.forward(second, person('smirnova@acme.example'), 'вам ближе');
    expect(await ask().assignmentsOf([taskId])).toMatchObject([
      { id: first, status: 'Completed', result: 'Forward' },
      { id: second, status: 'Completed', comment: 'вам ближе' },
      { id: third, status: 'InProcess', performer: { email: 'smirnova@acme.example' }, comment: null },
    ]);
  });

  it('of a sub-task are told under its main task', async () => {
    await begin();
    const { taskId } = await approve(addContract());
    const sub = stand.add('ISimpleTasks', { Subject: 'Справка', Status: 'InProcess', MainTask: taskId });
    stand.add('ISimpleAssignments', { Subject: 'Справка', Task: sub, MainTask: taskId });
    expect((await ask().assignmentsOf([taskId])).map((row) => [row.subject, row.taskId])).toEqual([
      ['Согласуйте: Договор', taskId],
      ['Справка', taskId],
    ]);
    expect((await ask().assignmentsOf([sub])).map((row) => row.taskId)).toEqual([taskId]);
  });
});

describe('a comment', () => {
  const text = (Body: string, Created: string, IsAutoGenerated = false) => ({
    Body,
    Created,
    IsAutoGenerated,
  });
  const commentOf = async (fields: Record<string, unknown>) => {
    await begin();
    addAssignments(7001, 1, { Created: '2026-03-02T09:00:00Z', ...fields });
    return (await ask().assignmentsOf([7001]))[0]!.comment;
  };
  it.each([
    [
      'is what the performer wrote',
      { ActiveText: ' Сумма ', Texts: [text('Иное', '2026-03-02T10:00:00Z')] },
      'Сумма',
    ],
    [
      'else the newest text of a person',
      {
        Texts: [
          text('второй', '2026-03-02T11:00:00Z'),
          text('первый', '2026-03-02T10:00:00Z'),
          text('Задание выполнено', '2026-03-02T12:00:00Z', true),
        ],
      },
      'второй',
    ],
    ['is not a text of the task before it', { Texts: [text('Прошу', '2026-03-02T08:00:00Z')] }, null],
    ['may be missing', {}, null],
  ])('%s', async (_what, fields, expected) => {
    expect(await commentOf(fields)).toBe(expected);
  });
});

describe('an answer that is not what was asked for', () => {
  const answer = (path: RegExp, value: unknown) =>
    stand.misbehave.next({ path, status: 200, body: { value } });

  it('leaves an assignment without what it does not say', async () => {
    await begin();
    const nothing = {
      ...{ subject: '', status: '', result: null, deadline: null, created: null, completed: null },
      ...{ modified: null, performer: null, comment: null, taskId: 7001 },
    };
    const odd = { Subject: 5, Status: {}, Result: [], Deadline: 'завтра', Created: '2026-13-45T99:00:00Z' };
    answer(/^IAssignments/, [
      { Id: 1, Task: { Id: 7001 } },
      {
        Id: 2,
        MainTask: { Id: 7001 },
        ...odd,
        Completed: 7,
        Modified: null,
        Performer: 'Иванов',
        Texts: 'x',
      },
      {
        Id: 3,
        Task: { Id: 7001 },
        Performer: { Id: '31', Name: 'Иванов' },
        ActiveText: ['x'],
        Texts: [1, null],
      },
      { Id: 4, Task: { Id: '7001' } },
      { Id: 5, Task: null, MainTask: [] },
    ]);
    expect(await ask().assignmentsOf([7001])).toMatchObject([1, 2, 3].map((id) => ({ id, ...nothing })));
    expect(asked('IEmployees')).toEqual([]);
  });

  it.each([
    ['a row without an id', [{ Task: { Id: 7001 } }]],
    ['an id as text', [{ Id: '1', Task: { Id: 7001 } }]],
    ['no list', 'x'],
    ['a list of texts', ['x']],
  ])('%s is no answer', async (_what, value) => {
    await begin();
    answer(/^IAssignments/, value);
    await expect(ask().assignments('2026-03-02T09:00:00Z', 0)).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
  });

  it('does not name documents nobody asked about, nor addenda a stand let through', async () => {
    await begin();
    const group = '08E1EF90-521F-41A1-A13F-C6F175007E54';
    answer(/^IApprovalTasks/, [
      {
        ...{ Id: 7001, Status: 'InProcess' },
        AttachmentDetails: [
          { GroupId: group, AttachmentId: 5001 },
          { GroupId: group, AttachmentId: 5777 },
          { GroupId: group, AttachmentId: '5002' },
          { GroupId: null, AttachmentId: 5002 },
          // Main in a free approval, an addendum here.
          { GroupId: 'cd77936e-884e-44bb-b869-9a60f9f5f2b4', AttachmentId: 5002 },
          'x',
        ],
      },
      { Id: 7002, Status: 'InProcess', AttachmentDetails: [{ GroupId: 'ff', AttachmentId: 5001 }] },
      { Id: 7003, Status: 'InProcess' },
    ]);
    const found = await ask().tasksOf([5001, 5002]);
    expect(found).toMatchObject([{ id: 7001, status: 'InProcess', documentIds: [5001] }]);
  });

  it('gives no dates that are none', async () => {
    await begin();
    answer(/^IContracts/, [
      {
        ...{ Id: 5001, ValidTill: '2026-02-30T00:00:00+03:00' },
        Milestones: [
          { Id: 1, Name: 7, Deadline: '01.04.2026', IsCompleted: 'true' },
          { Id: '2', Name: 'без ИД', Deadline: '2026-04-01T00:00:00Z' },
          null,
        ],
      },
      { Id: 5002, ValidTill: 20261231, Milestones: {} },
    ]);
    expect(await ask().datesOf([5001, 5002])).toEqual([
      { id: 5001, validTill: null, milestones: [{ id: 1, name: '', deadline: null, completed: false }] },
      { id: 5002, validTill: null, milestones: [] },
    ]);
  });

  it('ends a reading whose pages repeat', async () => {
    await begin();
    const page = Array.from({ length: 100 }, (_, n) => ({ Id: n + 1, Task: { Id: 7001 } }));
    for (let n = 0; n < 5; n++) answer(/^IAssignments/, page);
    expect(await ask().assignmentsOf([7001])).toHaveLength(100);
    expect(asked('IAssignments')).toHaveLength(2);
    expect((await ask().assignments('2026-03-02T09:00:00Z', 100)).next).toBeNull();
  });
});
