import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
});
afterAll(() => stand.stop());

const ask = (deal: number, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, 'directum_document_status', properties);

it('tells how the document of the slot stands, who holds it and since when', async () => {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  const id = Number(made['document_id']);
  expect(await ask(deal)).toMatchObject({
    ok: 'Y',
    status: 'created',
    status_text: 'Создан',
    held_by: '',
    task_url: '',
    checked_document_id: String(id),
    document_url: made['document_url'],
  });
  const task = await startTask(stand, id);
  const held = await ask(deal);
  expect(held).toMatchObject({ ok: 'Y', status: 'on_approval', internal_state: 'OnApproval' });
  expect(held['held_by']).not.toBe('');
  expect(Date.parse(String(held['held_since']))).not.toBeNaN();
  expect(Date.parse(String(held['status_since']))).not.toBeNaN();
  expect(held['task_url']).toContain(`/${task}`);
  expect(await ask(deal, { document_id: id })).toMatchObject({ ok: 'Y', status: 'on_approval' });
});

it('says that the slot’s document is deleted, and that an id or a slot holds nothing', async () => {
  const { deal } = addDeal(stand);
  const { document_id: id } = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  stand.directum.remove('IContracts', Number(id));
  expect(await ask(deal)).toMatchObject({
    ok: 'Y',
    error_code: '',
    status: 'deleted',
    status_text: 'Удалён в Directum',
    document_name: '',
    checked_document_id: id,
  });
  expect(await ask(deal, { document_id: id })).toMatchObject({ ok: 'N', error_code: 'document_not_found' });
  const { deal: empty } = addDeal(stand);
  expect(await ask(empty)).toMatchObject({ ok: 'N', error_code: 'document_not_found', status: '' });
});

it('keeps the last known status of a document whose state nobody knows', async () => {
  const { deal } = addDeal(stand);
  const { document_id: id } = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  await startTask(stand, Number(id));
  const shown = () => JSON.stringify(stand.portal.activities(2, deal).map(({ layout }) => layout));
  await expect.poll(shown, { timeout: 10_000 }).toContain('На согласовании');
  stand.directum.patch('IContracts', Number(id), { LifeCycleState: 'Frozen' });
  expect(await ask(deal)).toMatchObject({ ok: 'Y', status: 'on_approval', lifecycle_state: 'Frozen' });
});

it('tells registration and signature', async () => {
  const { deal } = addDeal(stand);
  const { document_id: id } = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  stand.directum.patch('IContracts', Number(id), {
    RegistrationNumber: 'Д-17',
    RegistrationDate: '2026-03-02T00:00:00Z',
    InternalApprovalState: 'Signed',
  });
  expect(await ask(deal)).toMatchObject({
    ok: 'Y',
    status: 'signed_us',
    registration_number: 'Д-17',
    registration_date: '2026-03-02',
  });
});

it('names who signed under a locked card, and who signed in the exchange', async () => {
  const { deal } = addDeal(stand);
  const { document_id } = await runStep(stand, deal, 'directum_create_contract', {
    subject: 'Поставка',
    template: 'Типовой договор',
  });
  const id = Number(document_id);
  const [meant, signer] = ['smirnova@acme.example', 'sidorov@acme.example'].map(
    (email) => stand.directum.all('IEmployees').find((one) => one['Email'] === email)!,
  );
  stand.directum.approve(await startTask(stand, id));
  stand.directum.patch('IContracts', id, { OurSignatory: meant!['Id'] });
  stand.directum.lockCard(id);
  stand.directum.sign(id, { by: Number(signer!['Id']) });
  expect(await ask(deal)).toMatchObject({ ok: 'Y', status: 'signed_us', signed_by: signer!['Name'] });
  const { deal: other } = addDeal(stand);
  const made = await runStep(stand, other, 'directum_create_contract', { subject: 'Поставка' });
  stand.directum.patch('IContracts', Number(made['document_id']), {
    ExchangeState: 'Signed',
    OurSignatory: signer!['Id'],
  });
  expect(await ask(other)).toMatchObject({ status: 'signed_both', signed_by: signer!['Name'] });
});

it('tells what it knows where assignments may not be read', async () => {
  const { deal } = addDeal(stand);
  const { document_id: id } = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  await startTask(stand, Number(id));
  const forbidden = { status: 403, body: { error: 'Нет прав' } };
  stand.directum.misbehave.next({ verb: 'GET', path: /IAssignments/, ...forbidden, times: 50 });
  const found = await ask(deal);
  stand.directum.misbehave.reset();
  expect(found).toMatchObject({
    ok: 'N',
    error_code: 'directum_access_denied',
    status: 'on_approval',
    held_by: '',
    internal_state: 'OnApproval',
    checked_document_id: id,
  });
});
