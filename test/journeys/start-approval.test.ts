import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const CODE = 'directum_start_approval';
const RULE = '100950d0-03d2-44f0-9e31-f9c8dfdf3829';
const PROCESS = 'c51a9c15-4449-4411-b17b-2ea3ce891ab6';
const FREE = '77f43035-9f23-4a19-9882-5a6a2cd5c9c7';

/** A deal whose contract was made by the robot that stands before ours. */
async function withContract(at = stand, properties: Record<string, unknown> = {}) {
  const { deal } = addDeal(at);
  const made = await runStep(at, deal, 'directum_create_contract', {
    subject: 'Поставка станка',
    ...properties,
  });
  expect(made).toMatchObject({ ok: 'Y' });
  return { deal, document: Number(made['document_id']) };
}
const approve = (deal: number, properties: Record<string, unknown> = {}, at = stand) =>
  runStep(at, deal, CODE, properties, 30_000);
const tasksOf = (document: number, at = stand) =>
  at.directum
    .all('ITasks')
    .filter((task) =>
      (task['AttachmentDetails'] as { AttachmentId: number }[]).some((row) => row.AttachmentId === document),
    );
const employee = (email: string, at = stand) =>
  Number(at.directum.all('IEmployees').find((one) => one['Email'] === email)?.['Id']);
const user = (email: string) =>
  `user_${stand.portal.addUser({ NAME: 'Анна', LAST_NAME: 'Петрова', EMAIL: email })}`;

describe('start approval', () => {
  it('sends the contract of the deal by process where Directum has processes', async () => {
    const { deal, document } = await withContract();
    const outputs = await approve(deal, {
      our_signatory: user('sidorov@acme.example'),
      approvers: [user('petrova@acme.example')],
      comment: 'Прошу согласовать',
    });
    expect(outputs).toMatchObject({ ok: 'Y', error_code: '', task_started: 'Y' });
    const [task, ...others] = tasksOf(document);
    expect(others).toEqual([]);
    expect(task).toMatchObject({ Id: Number(outputs['task_id']), Status: 'InProcess' });
    expect(task!['ActiveText']).toBe('Прошу согласовать');
    expect(outputs['task_url']).toBe(`${stand.directum.webUrl}/#/card/${PROCESS}/${outputs['task_id']}`);
    expect(stand.directum.get('IContracts', document)).toMatchObject({
      InternalApprovalState: 'OnApproval',
      OurSignatory: { Id: employee('sidorov@acme.example') },
    });
    const asked = stand.directum
      .all('IAssignments')
      .filter((one) => (one['Task'] as { Id: number }).Id === task!['Id']);
    expect(asked.map((one) => (one['Performer'] as { Id: number }).Id)).toEqual([
      employee('petrova@acme.example'),
    ]);
  });

  it('sends by rule with the signatory and additional approvers, and returns the running task again', async () => {
    const { deal, document } = await withContract();
    const outputs = await approve(deal, {
      approval_type: 'rule',
      our_signatory: user('sidorov@acme.example'),
      approvers: [user('smirnova@acme.example')],
    });
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    expect(outputs['task_url']).toContain(`/#/card/${RULE}/${outputs['task_id']}`);
    const task = stand.directum.get('IApprovalTasks', Number(outputs['task_id']));
    expect(task).toMatchObject({
      Status: 'InProcess',
      ActiveText: null,
      Signatory: { Id: employee('sidorov@acme.example') },
    });
    const again = await approve(deal, { approval_type: 'free', approvers: [user('petrova@acme.example')] });
    expect(again).toMatchObject({
      ok: 'Y',
      task_started: 'N',
      task_id: outputs['task_id'],
      task_url: outputs['task_url'],
    });
    expect(tasksOf(document)).toHaveLength(1);
  });

  it('asks every approver it is given, sixty too', async () => {
    const { deal, document } = await withContract();
    const people = Array.from({ length: 60 }, (_, n) => `approver-${n}@acme.example`);
    const ids = people.map((Email) => stand.directum.add('IEmployees', { Name: Email, Email }));
    const outputs = await approve(deal, { approval_type: 'rule', approvers: people.map(user) });
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    const task = stand.directum.get('IApprovalTasks', Number(outputs['task_id']));
    const asked = (task!['AddApprovers'] as { Approver: number }[]).map(({ Approver }) => Approver);
    expect(asked).toHaveLength(60);
    expect(tasksOf(document)).toHaveLength(1);
    expect(ids).toHaveLength(60);
  });

  it('sends any document by its id to a free approval with a deadline in the time zone of the service', async () => {
    const { deal } = addDeal(stand);
    const document = stand.directum.add('ISimpleDocuments', { Name: 'Служебная записка', DocumentKind: 5 });
    const outputs = await approve(deal, {
      document_id: document,
      approval_type: 'free',
      approvers: [user('petrova@acme.example')],
      deadline: '20.03.2027 18:00:00',
    });
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    expect(outputs['task_url']).toContain(FREE);
    const [task] = tasksOf(document);
    expect(Date.parse(String(task!['MaxDeadline']))).toBe(Date.parse('2027-03-20T15:00:00Z'));
  });

  it('uses the draft of a failed start again', async () => {
    const { deal, document } = await withContract();
    stand.directum.misbehave.next({ verb: 'POST', path: 'Docflow/StartTask', status: 500 });
    const outputs = await approve(deal, {
      approval_type: 'rule',
      our_signatory: user('sidorov@acme.example'),
    });
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    expect(tasksOf(document).map((task) => [task['Id'], task['Status']])).toEqual([
      [Number(outputs['task_id']), 'InProcess'],
    ]);
  });

  it('leaves the draft of a refused start and starts it once the card is mended', async () => {
    const { deal, document } = await withContract();
    const rule = stand.directum.all('IApprovalRules')[0]!['Id'] as number;
    stand.directum.patch('IApprovalRules', rule, { $conditions: ['PurchaseOrderNumber'] });
    try {
      const refused = await approve(deal, { approval_type: 'rule' });
      expect(refused).toMatchObject({ ok: 'N', error_code: 'directum_refused', task_id: '' });
      expect(refused['error_text']).toContain('PurchaseOrderNumber');
      stand.directum.patch('IContracts', document, { PurchaseOrderNumber: 'PO-1' });
      expect(await approve(deal, { approval_type: 'rule' })).toMatchObject({ ok: 'Y', task_started: 'Y' });
      expect(tasksOf(document)).toHaveLength(1);
    } finally {
      stand.directum.patch('IApprovalRules', rule, { $conditions: [] });
    }
  });

  it('takes a signatory mended in the robot instead of the old draft', async () => {
    const { deal } = await withContract();
    const refused = await approve(deal, {
      approval_type: 'rule',
      our_signatory: user('smirnova@acme.example'),
    });
    expect(refused).toMatchObject({ ok: 'N', error_code: 'directum_refused' });
    expect(refused['error_text']).toContain('не имеет права подписи');
    expect(
      await approve(deal, { approval_type: 'rule', our_signatory: user('sidorov@acme.example') }),
    ).toMatchObject({ ok: 'Y', task_started: 'Y' });
  });

  it.each([['Docflow/CreateApprovalTask'], ['Docflow/StartTask']])(
    'an answer of %s that got lost makes no second task',
    async (path) => {
      const { deal, document } = await withContract();
      stand.directum.misbehave.next({ verb: 'POST', path, cutAfterEffect: true });
      expect(await approve(deal, { approval_type: 'rule' })).toMatchObject({ ok: 'Y', task_started: 'Y' });
      expect(tasksOf(document)).toHaveLength(1);
    },
  );

  it.each([
    ['signed', { InternalApprovalState: 'Signed' }, 'подписан'],
    ['annulled', { LifeCycleState: 'Obsolete' }, 'аннулирован'],
    ['terminated', { LifeCycleState: 'Terminated' }, 'расторгнут'],
  ])('refuses a document that is %s', async (_what, state, word) => {
    const { deal, document } = await withContract();
    stand.directum.patch('IContracts', document, state);
    const outputs = await approve(deal);
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'document_not_approvable', task_started: '' });
    expect(outputs['error_text']).toContain(word);
    expect(tasksOf(document)).toEqual([]);
  });

  it('refuses a document with a signature on its version though its state is old', async () => {
    const { deal, document } = await withContract(stand, { template: 'Типовой договор' });
    stand.directum.lockCard(document);
    stand.directum.sign(document);
    stand.directum.lockCard(null);
    expect(stand.directum.get('IContracts', document)['InternalApprovalState'] ?? null).toBe(null);
    expect(await approve(deal)).toMatchObject({ ok: 'N', error_code: 'document_not_approvable' });
  });

  it.each([
    ['no approvers', { approval_type: 'free' }, 'input_missing', 'Согласующие'],
    [
      'an approver without an employee',
      { approvers: ['nobody@acme.example'] },
      'employee_not_found',
      'Согласующие',
    ],
    [
      'a deadline that is none',
      { approval_type: 'free', approvers: ['petrova@acme.example'], deadline: 'завтра' },
      'input_invalid',
      'Срок',
    ],
    ['an unknown id', { document_id: 999_999 }, 'document_not_found', '999999'],
    ['an empty slot', { slot: 'other' }, 'document_not_found', 'other'],
  ])('%s is an error that names it', async (_what, given, code, word) => {
    const { deal, document } = await withContract();
    const { approvers, ...rest } = given as { approvers?: string[] };
    const outputs = await approve(deal, { ...rest, ...(approvers && { approvers: approvers.map(user) }) });
    expect(outputs).toMatchObject({ ok: 'N', error_code: code });
    expect(outputs['error_text']).toContain(word);
    expect(tasksOf(document)).toEqual([]);
  });

  it('says that no rule fits and tries no other way', async () => {
    const { deal, document } = await withContract();
    const rule = stand.directum.all('IApprovalRules')[0]!['Id'] as number;
    stand.directum.patch('IApprovalRules', rule, { Status: 'Closed' });
    try {
      const outputs = await approve(deal, { approval_type: 'rule' });
      expect(outputs).toMatchObject({ ok: 'N', error_code: 'approval_unavailable' });
      expect(outputs['error_text']).toContain('Не заполнено обязательное свойство "Регламент"');
      expect(tasksOf(document)).toEqual([]);
    } finally {
      stand.directum.patch('IApprovalRules', rule, { Status: 'Active' });
    }
  });

  it('finds the contract by its key when the slot was forgotten, and binds it', async () => {
    const { deal } = addDeal(stand);
    const document = stand.directum.add('IContracts', {
      Name: 'Договор',
      DocumentKind: 1,
      BusinessUnit: stand.directum.all('IBusinessUnits')[0]!['Id'],
      ExternalId: `b24:${stand.portal.memberId}:DEAL_${deal}:contract`,
    });
    expect(await approve(deal)).toMatchObject({ ok: 'Y', task_started: 'Y' });
    stand.directum.patch('IContracts', document, { ExternalId: null });
    expect(await approve(deal)).toMatchObject({ ok: 'Y', task_started: 'N' });
  });

  it('two deals that send one document at once start one task', async () => {
    const { document } = await withContract();
    const deals = [addDeal(stand).deal, addDeal(stand).deal];
    stand.directum.misbehave.next({ verb: 'POST', path: 'CreateApprovalTask', delayMs: 300 });
    const outputs = await Promise.all(
      deals.map((deal) => approve(deal, { document_id: document, approval_type: 'rule' })),
    );
    expect(outputs.map((one) => one['task_started']).sort()).toEqual(['N', 'Y']);
    expect(outputs[0]!['task_id']).toBe(outputs[1]!['task_id']);
    expect(tasksOf(document)).toHaveLength(1);
  });
});

describe('start approval in Directum 4.3', () => {
  it('goes by rule, and says that there are no processes', async () => {
    const old = await startStand({ directum: { generation: '4.3' } });
    try {
      const { deal, document } = await withContract(old);
      const refused = await approve(deal, { approval_type: 'process' }, old);
      expect(refused).toMatchObject({ ok: 'N', error_code: 'approval_unavailable' });
      expect(refused['error_text']).toContain('DocflowApproval/CreateDocumentFlowTask');
      const outputs = await approve(deal, {}, old);
      expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
      expect(outputs['task_url']).toContain(RULE);
      expect(tasksOf(document, old)).toHaveLength(1);
    } finally {
      await old.stop();
    }
  });
});
