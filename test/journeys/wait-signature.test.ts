import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';
import { inDatabase } from './stand-database.ts';

const CODE = 'directum_wait_signature';
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({
    settings: { DIRECTUM_POLL_SECONDS: '1', OPS_TOKEN: 'ops-token-1' },
    rescanMs: 2_000,
  });
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
  stand.directum.lockCard(null);
});

/** A deal whose contract is in its slot, with an approval task that runs. */
async function onApproval() {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', {
    subject: 'Поставка',
    template: 'Типовой договор',
  });
  expect(made).toMatchObject({ ok: 'Y' });
  const id = Number(made['document_id']);
  return { deal, id, task: await startTask(stand, id) };
}

const wait = (deal: number, properties: Record<string, unknown> = {}, ms = 15_000) =>
  runStep(stand, deal, CODE, properties, ms);

async function until(holds: () => boolean, ms = 10_000) {
  const limit = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > limit)
      throw new Error(`it did not come to that; the service said\n${stand.lines.slice(-60).join('')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
/** Moves the deadline of the document's waits to this moment, as waiting for it would. */
async function shorten(documentId: number): Promise<void> {
  await inDatabase(stand, async (client) => {
    // The receipt is what a deadline is counted from.
    await client.query(
      `UPDATE run SET received_at = received_at - interval '1 hour', deadline_at = now() WHERE id IN (SELECT run_id FROM wait WHERE document_id = $1)`,
      [documentId],
    );
    await client.query('UPDATE wait SET deadline_at = now() WHERE document_id = $1', [documentId]);
  });
}

/** Begins a wait; `result` is awaited later. */
async function begin(deal: number, properties: Record<string, unknown> = {}) {
  const before = stand.lines.filter((line) => line.includes('run.waiting')).length;
  const result = wait(deal, properties);
  result.catch(() => undefined);
  await until(() => stand.lines.filter((line) => line.includes('run.waiting')).length > before);
  return { result };
}

describe('wait for signature', () => {
  it('answers at once when the document is signed already', async () => {
    const { deal, id, task } = await onApproval();
    stand.directum.approve(task);
    stand.directum.sign(id);
    const outputs = await wait(deal, {}, 5_000);
    expect(outputs).toMatchObject({
      ok: 'Y',
      error_code: '',
      result: 'signed',
      signed_by: 'Сидоров Пётр',
      internal_state: 'Signed',
      watched_document_id: String(id),
    });
    expect(outputs['signed_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
    expect(outputs['document_url']).toContain(`/${id}`);
  });

  it('wakes when the document is signed later', async () => {
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.approve(task);
    stand.directum.sign(id);
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed', signed_by: 'Сидоров Пётр' });
  });

  it('takes a confirmation without an e-signature', async () => {
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.approve(task);
    stand.directum.sign(id, { confirmOnly: true });
    const outputs = await result;
    expect(outputs).toMatchObject({ ok: 'Y', result: 'signed', internal_state: 'Signed' });
    expect(outputs['signed_at']).not.toBe('');
  });

  it('notices a signature under a locked card, which Modified does not show', async () => {
    const { deal } = addDeal(stand);
    const made = await runStep(stand, deal, 'directum_create_contract', {
      subject: 'Поставка',
      template: 'Типовой договор',
    });
    const id = Number(made['document_id']);
    const { result } = await begin(deal, { document_id: id });
    const { Modified } = stand.directum.get('IContracts', id);
    stand.directum.lockCard(id);
    stand.directum.sign(id);
    expect(stand.directum.get('IContracts', id)).toMatchObject({ Modified, InternalApprovalState: null });
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed', internal_state: '' });
  });

  it('names who signed under a locked card, which still names the person who was meant to', async () => {
    const { deal, id, task } = await onApproval();
    const [meant, signer] = ['smirnova@acme.example', 'sidorov@acme.example'].map(
      (email) => stand.directum.all('IEmployees').find((one) => one['Email'] === email)!,
    );
    stand.directum.approve(task);
    stand.directum.patch('IContracts', id, { OurSignatory: meant!['Id'] });
    stand.directum.lockCard(id);
    stand.directum.sign(id, { by: Number(signer!['Id']) });
    expect(await wait(deal)).toMatchObject({
      result: 'signed',
      internal_state: 'PendingSign',
      signed_by: signer!['Name'],
    });
  });

  it('takes when from the card where assignments may not be read', async () => {
    const { deal, id, task } = await onApproval();
    stand.directum.approve(task);
    stand.directum.sign(id);
    const forbidden = { status: 403, body: { error: 'Нет прав' } };
    stand.directum.misbehave.next({ verb: 'GET', path: /IAssignments/, ...forbidden, times: 50 });
    const outputs = await wait(deal);
    expect(outputs).toMatchObject({ ok: 'Y', result: 'signed', signed_by: 'Сидоров Пётр' });
    expect(outputs['signed_at']).not.toBe('');
  });

  it('says who and when though only the exchange shows both signatures', async () => {
    const { deal, id } = await onApproval();
    const signer = stand.directum.all('IEmployees').find((one) => one['Email'] === 'sidorov@acme.example')!;
    stand.directum.patch('IContracts', id, { ExchangeState: 'Signed', OurSignatory: signer['Id'] });
    const outputs = await wait(deal, { wait_for: 'both' });
    expect(outputs).toMatchObject({ ok: 'Y', result: 'signed', signed_by: signer['Name'] });
    expect(outputs['signed_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
  });

  it('says that the task was aborted', async () => {
    const { deal, task } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.abortTask(task);
    const outputs = await result;
    expect(outputs).toMatchObject({
      ok: 'N',
      error_code: 'rejected',
      result: 'rejected',
      internal_state: 'Aborted',
    });
    expect(outputs['error_text']).toContain('прекращена');
  });

  it('goes on waiting through rework and a second round', async () => {
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.requestRework(task, 'поправьте срок');
    await until(() => stand.lines.filter((line) => line.includes('run.waiting')).length > 1);
    stand.directum.resubmit(task);
    stand.directum.approve(task);
    stand.directum.sign(id);
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
  });

  it('waits for a new task after an aborted one', async () => {
    const { deal, id, task } = await onApproval();
    stand.directum.abortTask(task);
    const second = await startTask(stand, id);
    stand.directum.patch('IContracts', id, { InternalApprovalState: 'Aborted' });
    const { result } = await begin(deal);
    stand.directum.approve(second);
    stand.directum.sign(id);
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
  });

  it('says that the document was deleted', async () => {
    const { deal, id } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.deleteDocument(id);
    expect(await result).toMatchObject({
      ok: 'N',
      error_code: 'deleted',
      result: 'deleted',
      watched_document_id: String(id),
      internal_state: 'OnApproval',
    });
  });

  it('says that a task ended without a signature', async () => {
    const { deal, task } = await onApproval();
    const { result } = await begin(deal);
    stand.directum.patch('IApprovalTasks', task, { Status: 'Completed' });
    expect(await result).toMatchObject({ ok: 'N', error_code: 'not_signed', result: 'not_signed' });
  });

  it('waits for both sides', async () => {
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal, { wait_for: 'both' });
    stand.directum.approve(task);
    stand.directum.sign(id);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    stand.directum.signByCounterparty(id);
    expect(await result).toMatchObject({
      ok: 'Y',
      result: 'signed',
      external_state: 'Signed',
      signed_by: 'Сидоров Пётр',
    });
  });

  it('waits for the approval', async () => {
    const { deal, task } = await onApproval();
    const { result } = await begin(deal, { wait_for: 'approval' });
    stand.directum.approve(task);
    expect(await result).toMatchObject({
      ok: 'Y',
      result: 'approved',
      internal_state: 'PendingSign',
      signed_by: '',
    });
  });

  it('wakes all that wait for one document', async () => {
    const { deal, id, task } = await onApproval();
    const { deal: other } = addDeal(stand);
    const [first, second] = [await begin(deal), await begin(other, { document_id: id })];
    stand.directum.approve(task);
    stand.directum.sign(id);
    expect(await first.result).toMatchObject({ result: 'signed' });
    expect(await second.result).toMatchObject({ result: 'signed' });
  });

  it('remembers its waits over a restart', async () => {
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal);
    await stand.restart();
    stand.directum.approve(task);
    stand.directum.sign(id);
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
  }, 30_000);
});

describe('the end of the time', () => {
  it.each([false, true])('is kept, with Directum down: %s', async (down) => {
    const { deal, id } = await onApproval();
    const { result } = await begin(deal, { max_wait_hours: 1 });
    await shorten(id);
    if (down) stand.directum.misbehave.down = true;
    const from = performance.now();
    const outputs = await result;
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(outputs).toMatchObject({
      ok: 'N',
      error_code: 'expired',
      result: 'expired',
      internal_state: 'OnApproval',
      watched_document_id: String(id),
    });
  });

  it.each(['0', '8761', 'x'])('cannot be %s hours', async (hours) => {
    const { deal } = addDeal(stand);
    const outputs = await wait(deal, { max_wait_hours: hours });
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
    expect(outputs['error_text']).toContain('Ждать не дольше, часов');
  });
});

describe('the document', () => {
  it('is not found when the slot is empty or the id is nobody’s', async () => {
    const { deal } = addDeal(stand);
    expect(await wait(deal)).toMatchObject({ ok: 'N', error_code: 'document_not_found', result: '' });
    expect(await wait(deal, { document_id: 999_999 })).toMatchObject({ error_code: 'document_not_found' });
  });

  it('is found by its key when our own record is lost', async () => {
    const { deal } = addDeal(stand);
    const id = stand.directum.add('IContracts', {
      Name: 'Договор',
      ExternalId: `b24:${stand.portal.memberId}:DEAL_${deal}:main`,
      InternalApprovalState: 'Signed',
    });
    expect(await wait(deal, { slot: 'Main' })).toMatchObject({ ok: 'Y', watched_document_id: String(id) });
  });

  it('is looked for again when Directum answers late', async () => {
    const { deal, id } = await onApproval();
    stand.directum.sign(id);
    stand.directum.misbehave.next({ verb: 'GET', path: /IOfficialDocuments/, status: 503, times: 1 });
    expect(await wait(deal)).toMatchObject({ ok: 'Y', result: 'signed' });
  });
});

describe('the signed file', () => {
  const pdf = Buffer.from(`%PDF-1.7 invented ${'x'.repeat(300_000)}`);
  const saved = (deal: number, code: string) => {
    const value = stand.portal.item(2, deal)[code];
    return [value].flat().map((id) => stand.portal.world.files.get(Number(id)));
  };

  it('goes as a PDF into the field of the deal', async () => {
    stand.portal.addUserField('CRM_DEAL', 'UF_CRM_SIGNED', 'file');
    const { deal, id, task } = await onApproval();
    const { result } = await begin(deal, { signed_file_field: 'UF_CRM_SIGNED' });
    stand.directum.approve(task);
    stand.directum.sign(id, { pdf });
    expect(await result).toMatchObject({ ok: 'Y', result: 'signed' });
    const [file] = saved(deal, 'UF_CRM_SIGNED');
    expect(file?.name).toMatch(/\.pdf$/);
    const hash = (bytes?: Buffer) => bytes && createHash('sha256').update(bytes).digest('hex');
    expect(hash(file?.bytes)).toBe(hash(pdf));
  });

  it('is the last version itself without a PDF, beside the files that are there', async () => {
    stand.portal.addUserField('CRM_DEAL', 'UF_CRM_FILES', 'file', { multiple: true });
    const { deal, id } = await onApproval();
    for (const n of [1, 2]) {
      stand.directum.sign(id);
      expect(await wait(deal, { signed_file_field: 'uf_crm_files' })).toMatchObject({ ok: 'Y' });
      expect(saved(deal, 'UF_CRM_FILES')).toHaveLength(n);
    }
    const [file] = saved(deal, 'UF_CRM_FILES');
    expect(file?.name).toMatch(/\.docx$/);
    expect(file?.bytes.equals(stand.directum.versions(id)[0]?.bytes as Buffer)).toBe(true);
  });

  it('is put there once though the portal fails first', async () => {
    const { deal, id } = await onApproval();
    stand.directum.sign(id, { pdf });
    stand.portal.misbehave.next({ method: 'crm.item.update', status: 502, body: '<html>', times: 1 });
    expect(await wait(deal, { signed_file_field: 'UF_CRM_SIGNED' })).toMatchObject({ ok: 'Y' });
    expect(saved(deal, 'UF_CRM_SIGNED')).toHaveLength(1);
  });

  it.each([
    ['UF_CRM_NO_SUCH', 'UF_CRM_NO_SUCH'],
    ['title', 'title'],
  ])('needs a file field, and %s is refused before the wait', async (code, word) => {
    const { deal } = await onApproval();
    const outputs = await wait(deal, { signed_file_field: code });
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'file_unusable', result: '' });
    expect(outputs['error_text']).toContain(word);
  });

  it('that Directum lost is named, and the signature still told', async () => {
    const { deal, id } = await onApproval();
    stand.directum.sign(id);
    stand.directum.loseBody(id);
    expect(await wait(deal, { signed_file_field: 'UF_CRM_SIGNED' })).toMatchObject({
      ok: 'N',
      error_code: 'file_unusable',
      result: 'signed',
      watched_document_id: String(id),
    });
  });
});

it('counts waits in the metrics', async () => {
  const { deal } = await onApproval();
  await begin(deal);
  const response = await fetch(`${stand.url}/metrics`, { headers: { authorization: 'Bearer ops-token-1' } });
  expect(await response.text()).toMatch(/directum_robots_waits [1-9]/);
});
