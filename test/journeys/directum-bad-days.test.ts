import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';
import { inDatabase } from './stand-database.ts';

const APPROVE = 'directum_start_approval';
const WAIT = 'directum_wait_signature';
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' }, rescanMs: 2_000 });
});
afterAll(() => stand.stop());
afterEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
  stand.directum.lockCard(null);
});

async function withContract() {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', {
    subject: 'Поставка',
    template: 'Типовой договор',
  });
  expect(made).toMatchObject({ ok: 'Y' });
  return { deal, document: Number(made['document_id']) };
}

/** A contract on approval by rule, and a step that waits for its signature. */
async function waiting(maxWaitMs = 20_000) {
  const { deal, document } = await withContract();
  const started = await runStep(stand, deal, APPROVE, { approval_type: 'rule' });
  expect(started).toMatchObject({ ok: 'Y' });
  const from = stand.lines.length;
  const result = runStep(stand, deal, WAIT, {}, maxWaitMs);
  result.catch(() => undefined);
  await expect.poll(() => stand.lines.slice(from).some((line) => line.includes('run.waiting'))).toBe(true);
  return { deal, document, task: Number(started['task_id']), result };
}

const tasksOf = (document: number) =>
  stand.directum
    .all('ITasks')
    .filter((task) =>
      (task['AttachmentDetails'] as { AttachmentId: number }[]).some((row) => row.AttachmentId === document),
    );

describe('at the start of an approval', () => {
  it('Directum restarts between the draft and its start: one task, started once Directum is back', async () => {
    const { deal, document } = await withContract();
    stand.directum.misbehave.next({
      verb: 'POST',
      path: 'Docflow/StartTask',
      delayMs: 1_000,
      cutBefore: true,
    });
    const from = stand.lines.length;
    const answer = runStep(stand, deal, APPROVE, { approval_type: 'rule' }, 30_000);
    answer.catch(() => undefined);
    await expect.poll(() => tasksOf(document).length, { timeout: 10_000 }).toBe(1);
    stand.directum.misbehave.down = true;
    const isPostponed = () => stand.lines.slice(from).some((line) => line.includes('"run.postponed"'));
    await expect.poll(isPostponed, { timeout: 15_000 }).toBe(true);
    expect(tasksOf(document)).toMatchObject([{ Status: 'Draft' }]);
    stand.directum.misbehave.down = false;
    const outputs = await answer;
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    expect(tasksOf(document).map(({ Id, Status }) => [Id, Status])).toEqual([
      [Number(outputs['task_id']), 'InProcess'],
    ]);
  }, 60_000);

  it('a process that is forbidden for the kind is told, and no rule is tried instead', async () => {
    const { deal, document } = await withContract();
    const words = 'Для вида документа «Договор» нет подходящего варианта процесса.';
    const refusal = { status: 400, body: { error: { code: '', message: words } } };
    stand.directum.misbehave.next({ verb: 'POST', path: 'Docflow/StartTask', ...refusal });
    const from = stand.directum.journal.length;
    const outputs = await runStep(stand, deal, APPROVE, {});
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'approval_unavailable', task_id: '' });
    expect(outputs['error_text']).toContain('варианта процесса');
    expect(tasksOf(document).every(({ Status }) => Status === 'Draft')).toBe(true);
    const asked = stand.directum.journal.slice(from).map(({ path }) => path);
    expect(asked.some((path) => path.includes('CreateApprovalTask'))).toBe(false);
  });

  it('a document that somebody holds open is tried again and then sent', async () => {
    const { deal, document } = await withContract();
    const words = 'Договор заблокирован пользователем Петрова Анна.';
    const refusal = { status: 400, body: { error: { code: '', message: words } } };
    stand.directum.misbehave.next({ verb: 'POST', path: 'Docflow/StartTask', ...refusal });
    const outputs = await runStep(stand, deal, APPROVE, { approval_type: 'rule' }, 20_000);
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
    expect(tasksOf(document)).toHaveLength(1);
  }, 30_000);

  it('a rule that was closed between the draft and the start is told', async () => {
    const { deal, document } = await withContract();
    const rule = stand.directum.all('IApprovalRules')[0]?.['Id'] as number;
    stand.directum.misbehave.next({ verb: 'POST', path: 'Docflow/StartTask', delayMs: 1_000 });
    const answer = runStep(stand, deal, APPROVE, { approval_type: 'rule' });
    answer.catch(() => undefined);
    await expect.poll(() => tasksOf(document).length, { timeout: 10_000 }).toBe(1);
    stand.directum.patch('IApprovalRules', rule, { Status: 'Closed' });
    try {
      expect(await answer).toMatchObject({ ok: 'N', error_code: 'approval_unavailable' });
    } finally {
      stand.directum.patch('IApprovalRules', rule, { Status: 'Active' });
    }
  });
});

describe('while a step waits for a signature', () => {
  it('a rule removed meanwhile does not matter: the running task decides', async () => {
    const { document, task, result } = await waiting();
    const rule = stand.directum.all('IApprovalRules')[0]?.['Id'] as number;
    stand.directum.patch('IApprovalRules', rule, { Status: 'Closed' });
    try {
      stand.directum.approve(task);
      stand.directum.sign(document);
      expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
    } finally {
      stand.directum.patch('IApprovalRules', rule, { Status: 'Active' });
    }
  });

  it('a task aborted and started again by hand, while nobody looked, is waited for', async () => {
    const { deal, document, task, result } = await waiting();
    await stand.pause();
    stand.directum.abortTask(task);
    const again = await startTask(stand, document);
    await stand.restart();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const workflows = [...stand.portal.world.workflows.values()].filter(({ itemId }) => itemId === deal);
    expect(workflows.at(-1)?.status).toBe('running');
    stand.directum.approve(again);
    stand.directum.sign(document);
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
  }, 40_000);

  it('a document deleted meanwhile ends the wait', async () => {
    // The service that was stopped before may have held the turn of the reading, which is left to it for a minute.
    const { document, result } = await waiting(90_000);
    stand.directum.deleteDocument(document);
    expect(await result).toMatchObject({ ok: 'N', error_code: 'deleted', result: 'deleted' });
  }, 100_000);

  it('a deal that moved on is not disturbed: the end of the wait is kept and nobody is asked twice', async () => {
    const { deal, document, task, result } = await waiting();
    const [workflow] = [...stand.portal.world.workflows.values()].filter(
      ({ itemId, status }) => itemId === deal && status === 'running',
    );
    await stand.portal.moveItem(2, deal, 'C1:MOVED');
    await expect(result).rejects.toThrow('terminated');
    stand.directum.approve(task);
    stand.directum.sign(document);
    const from = stand.lines.length;
    await expect
      .poll(() => stand.lines.slice(from).some((line) => line.includes('"run.done"')), { timeout: 15_000 })
      .toBe(true);
    expect(stand.portal.item(2, deal)['stageId']).toBe('C1:MOVED');
    expect(stand.portal.steps(workflow?.id ?? '').map(({ status }) => status)).toEqual(['terminated']);
    expect(stand.lines.slice(from).filter((line) => line.includes('outbox.refused'))).toEqual([]);
  }, 30_000);
});

describe('a wait whose time is over', () => {
  it('fires within five seconds, and ordered again it waits its whole time and hears of the signature', async () => {
    const { document, task, result } = await waiting();
    await inDatabase(stand, async (client) => {
      await client.query(
        `UPDATE run SET received_at = received_at - interval '721 hours' WHERE id IN (SELECT run_id FROM wait WHERE document_id = $1)`,
        [document],
      );
      await client.query(`UPDATE wait SET deadline_at = now() + interval '1 second' WHERE document_id = $1`, [
        document,
      ]);
    });
    const from = performance.now();
    const outputs = await result;
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'expired' });
    expect(performance.now() - from).toBeLessThan(6_000);

    const lines = stand.lines.length;
    const retried = await runCommand('runs', ['retry', String(outputs['run_id'])], stand.env);
    expect(retried).toMatchObject({ code: 0, err: '' });
    await expect
      .poll(() => stand.lines.slice(lines).some((line) => line.includes('run.waiting')), { timeout: 10_000 })
      .toBe(true);
    const { rows } = await inDatabase(stand, (client) =>
      client.query(
        `SELECT extract(epoch FROM deadline_at - now())::int AS left FROM wait WHERE document_id = $1`,
        [document],
      ),
    );
    expect(rows[0].left).toBeGreaterThan(719 * 3_600);
    stand.directum.approve(task);
    stand.directum.sign(document);
    await expect
      .poll(
        () =>
          stand.lines
            .slice(lines)
            .some((line) => line.includes('"run.done"') && line.includes(String(outputs['run_id']))),
        { timeout: 15_000 },
      )
      .toBe(true);
  }, 60_000);
});

it('a document signed before the robot was placed is told at once', async () => {
  const { deal, document } = await withContract();
  stand.directum.sign(document);
  const outputs = await runStep(stand, deal, WAIT, {}, 5_000);
  expect(outputs).toMatchObject({ ok: 'Y', result: 'signed' });
});
