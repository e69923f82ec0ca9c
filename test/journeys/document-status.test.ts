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
