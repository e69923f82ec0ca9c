import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROMASHKA, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const SYNC = 'directum_sync_counterparty';
const WAIT = 'directum_wait_signature';
/** What a run reads, all of it in one batch. */
const READS = /^(crm\.(item\.get|company|contact|requisite|address)|user\.)/;
let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());

/** A company with requisites, and somebody in Directum who is responsible. */
function world() {
  const { portal } = stand;
  const user = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов', EMAIL: 'ivanov@acme.example' });
  const companyId = portal.addCompany({ TITLE: 'Ромашка' });
  portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: companyId, PRESET_ID: 1, ...ROMASHKA });
  return { user, companyId };
}

let stages = 0;
async function step(typeId: number, id: number, code: string, properties: Record<string, unknown>) {
  const stage = `S:T${++stages}`;
  stand.portal.placeRobot(stage, code, properties, { entityTypeId: typeId });
  const workflow = await stand.portal.moveItem(typeId, id, stage);
  return (await stand.portal.waitForStep(workflow, code, 20_000)).outputs as Record<string, string>;
}

it.each([
  ['a deal', 2, 'DEAL'],
  ['a lead', 1, 'LEAD'],
  ['a quote', 7, 'QUOTE'],
  ['a smart invoice', 31, 'SMART_INVOICE'],
  ['an old smart process', 177, 'DYNAMIC_177'],
  ['a new smart process', 1032, 'DYNAMIC_1032'],
])('%s gets its contract, its counterparty and its wait', async (_what, typeId, prefix) => {
  const { user, companyId } = world();
  if (typeId >= 128) stand.portal.addType(typeId);
  const id = stand.portal.addItem(typeId, {
    title: 'Поставка станка',
    companyId,
    opportunity: 500,
    currencyId: 'RUB',
    assignedById: user,
  });
  const before = stand.portal.journal.length;
  const made = await step(typeId, id, CREATE, { subject: 'Поставка' });
  expect(made).toMatchObject({ ok: 'Y', error_code: '', created: 'Y' });
  const alone = stand.portal.journal.slice(before).filter(({ viaBatch }) => !viaBatch);
  expect(alone.map(({ method }) => method).filter((method) => READS.test(method))).toEqual([]);
  const contract = stand.directum.get('IContracts', Number(made['document_id']));
  expect(contract['ExternalId']).toBe(`b24:${stand.portal.memberId}:${prefix}_${id}:contract`);
  expect(await step(typeId, id, SYNC, {})).toMatchObject({
    ok: 'Y',
    counterparty_id: made['counterparty_id'],
    action: 'unchanged',
  });
  stand.directum.patch('IContracts', Number(made['document_id']), { InternalApprovalState: 'Signed' });
  expect(await step(typeId, id, WAIT, {})).toMatchObject({
    ok: 'Y',
    watched_document_id: made['document_id'],
  });
});

it.each([
  ['company', 4],
  ['contact', 3],
])('a %s can be synced', async (what, typeId) => {
  const { companyId } = world();
  const contact = stand.portal.addContact({ NAME: 'Пётр', LAST_NAME: 'Петров' });
  const outputs = await step(typeId, what === 'company' ? companyId : contact, SYNC, {});
  expect(outputs).toMatchObject({ ok: 'Y', counterparty_type: what === 'company' ? 'company' : 'person' });
});

it('a contact without a name is told of by its code', async () => {
  const contact = stand.portal.addContact({ NAME: '', LAST_NAME: '' });
  expect(await step(3, contact, SYNC, {})).toMatchObject({
    error_code: 'requisites_invalid',
    error_text: expect.stringContaining(`«CONTACT_${contact}»`),
  });
});

it.each([
  ['an order', CREATE, ['crm', 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Order', 'ORDER_3'], 'ORDER_3'],
  ['a company', CREATE, ['crm', 'CCrmDocumentCompany', 'COMPANY_44'], 'COMPANY_44'],
  ['a contact', WAIT, ['crm', 'CCrmDocumentContact', 'CONTACT_8'], 'CONTACT_8'],
  ['a list item', SYNC, ['lists', 'BizprocDocument', '22'], '22'],
  [
    'an odd smart process',
    CREATE,
    ['crm', 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic', 'DYNAMIC_1031_5'],
    'DYNAMIC_1031_5',
  ],
])('%s is answered as unsupported, and named', async (_what, code, documentId, word) => {
  const { user, companyId } = world();
  const deal = stand.portal.addItem(2, { title: 'Сделка', companyId, assignedById: user });
  const stage = `S:U${++stages}`;
  stand.portal.placeRobot(stage, code, code === CREATE ? { subject: 'Поставка' } : {});
  stand.portal.misbehave.dropCalls = true;
  const workflow = await stand.portal.moveItem(2, deal, stage);
  stand.portal.misbehave.dropCalls = false;
  // The call as the workflow of another kind of document would send it.
  const { url, form } = stand.portal.buildRobotCall(workflow, code);
  for (const [index, part] of documentId.entries()) form[`document_id[${index}]`] = part;
  expect((await fetch(url, { method: 'POST', body: new URLSearchParams(form) })).status).toBe(200);
  const { outputs } = await stand.portal.waitForStep(workflow, code, 10_000);
  expect(outputs).toMatchObject({ ok: 'N', error_code: 'item_unsupported' });
  expect(String(outputs['error_text'])).toContain(word);
});
