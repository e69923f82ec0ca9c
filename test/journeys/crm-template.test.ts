import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Process, startProcess } from './process.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const CODE = 'directum_create_contract';
const ADD = 'crm.documentgenerator.document.add';
const SALE = 'Договор поставки';

let stand: Stand;
let template: number;
beforeAll(async () => {
  stand = await startStand();
  template = stand.portal.addTemplate({
    name: SALE,
    content: 'PRODUCTS {Title} {TotalSum} {RequisiteRqInn}',
  });
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const create = (deal: number, crm_template: string | number = SALE) =>
  runStep(stand, deal, CODE, { subject: 'Поставка', crm_template }, 30_000);
const generated = (deal: number) => stand.portal.documents().filter(({ entityId }) => entityId === deal);
const contracts = (deal: number) =>
  stand.directum.all('IContracts').filter((row) => String(row['ExternalId']).includes(`:DEAL_${deal}:`));

/** One contract, whose only version is the one document that the portal made of the deal. */
function expectOne(deal: number) {
  const [made, ...more] = generated(deal);
  expect(more).toEqual([]);
  const [contract, ...others] = contracts(deal);
  expect(others).toEqual([]);
  const versions = stand.directum.versions(Number(contract?.['Id']));
  expect(versions.map(({ bytes }) => bytes?.toString())).toEqual([made?.bytes.toString()]);
  return made;
}

it('makes the first version by a template of the portal, with the key in its title and a number of its own', async () => {
  const { deal } = addDeal(stand);
  expect(await create(deal)).toMatchObject({ ok: 'Y', created: 'Y', error_code: '' });
  const made = expectOne(deal);
  expect(made).toMatchObject({ templateId: template, title: expect.stringContaining(`:DEAL_${deal}:`) });
  expect(made?.bytes.toString()).toBe('PRODUCTS Поставка станка 1200000.5 7799000012');
  expect(made?.number).not.toContain('DEAL');
  expect(await create(deal, template)).toMatchObject({ ok: 'Y', created: 'N' });
  expectOne(deal);
});

it('makes it with the token of the call, whose person alone may use the template', async () => {
  const { deal, user } = addDeal(stand);
  stand.portal.addTemplate({ name: 'Только менеджерам', users: [`U${user}`], createdBy: user });
  const crm_template = 'Только менеджерам';
  const run = async (stage: string, authUserId: number) => {
    stand.portal.placeRobot(stage, CODE, { subject: 'Поставка', crm_template }, { authUserId });
    const workflow = await stand.portal.moveItem(2, deal, stage);
    return (await stand.portal.waitForStep(workflow, CODE, 30_000)).outputs;
  };
  expect(await run('C1:INSTALLER', 1)).toMatchObject({
    ok: 'N',
    error_code: 'portal_access_denied',
    error_text: expect.stringMatching(/Шаблон документа CRM.*Дайте доступ/),
  });
  expect(await run('C1:MANAGER', user)).toMatchObject({ ok: 'Y' });
  expect(expectOne(deal)).toMatchObject({ createdBy: user });
});

it('finds the document of a lost answer, and waits for a file that is not there yet', async () => {
  const { deal } = addDeal(stand);
  stand.portal.misbehave.next({ method: ADD, cutAfterEffect: true });
  expect(await create(deal)).toMatchObject({ ok: 'Y' });
  expectOne(deal);
  const { deal: slow } = addDeal(stand);
  stand.portal.misbehave.documents.docxDelayMs = 1_500;
  expect(await create(slow)).toMatchObject({ ok: 'Y' });
  expectOne(slow);
});

it('makes one for two robots at the same time', async () => {
  const { deal } = addDeal(stand);
  for (const _ of [1, 2])
    stand.portal.placeRobot('C1:TWICE', CODE, { subject: 'Поставка', crm_template: SALE });
  const workflow = await stand.portal.moveItem(2, deal, 'C1:TWICE');
  const steps = () => stand.portal.steps(workflow).map(({ outputs }) => outputs?.['ok']);
  await expect.poll(steps, { timeout: 20_000 }).toEqual(['Y', 'Y']);
  expectOne(deal);
});

it.each([
  ['Счёт', 'reference_not_found', 'Счёт'],
  [9999, 'reference_not_found', '9999'],
  ['Аренда', 'reference_ambiguous', 'несколько шаблонов'],
  ['Прежний', 'reference_not_found', 'Прежний'],
])('refuses the template %s before anything is made', async (wanted, error_code, word) => {
  stand.portal.addTemplate({ name: 'Счёт', entityTypeId: ['31'] });
  stand.portal.addTemplate({ name: 'Аренда' });
  stand.portal.addTemplate({ name: 'Аренда', entityTypeId: ['2_category_3'] });
  stand.portal.addTemplate({ name: 'Прежний', active: false });
  const { deal } = addDeal(stand);
  const outputs = await create(deal, wanted);
  expect(outputs).toMatchObject({ ok: 'N', error_code, error_text: expect.stringContaining(word) });
  expect(contracts(deal)).toEqual([]);
  expect(generated(deal)).toEqual([]);
});

it.each([
  ['the module is off', { moduleOff: true }, 'portal_access_denied'],
  ['the plan allows no more', { limit: 0 }, 'portal_access_denied'],
])('says so when %s', async (_name, trouble, error_code) => {
  const { deal } = addDeal(stand);
  Object.assign(stand.portal.misbehave.documents, trouble);
  expect(await create(deal)).toMatchObject({ ok: 'N', error_code });
});

it('says that the portal deleted the template after the contract was made, which the next template fills', async () => {
  const { deal } = addDeal(stand);
  const gone = stand.portal.addTemplate({ name: 'Удалён вскоре' });
  stand.portal.misbehave.next({ method: ADD, delayMs: 1_000 });
  const run = create(deal, gone);
  await expect.poll(() => stand.portal.world.rules.length, { interval: 5 }).toBe(0);
  Object.assign(stand.portal.world.generator.templates.get(gone) ?? {}, { deleted: true });
  const failed = await run;
  expect(failed).toMatchObject({
    ok: 'N',
    error_code: 'reference_not_found',
    error_text: expect.stringMatching(/шаблон удалён с портала/),
    document_id: expect.stringMatching(/^\d+$/),
  });
  expect(await create(deal)).toMatchObject({ ok: 'Y', document_id: failed['document_id'] });
  expectOne(deal);
});

it('tells of a generated file that Directum finds too large', async () => {
  const { deal } = addDeal(stand);
  stand.directum.misbehave.next({ verb: 'PUT', path: /Body/, status: 413, body: '' });
  expect(await create(deal)).toMatchObject({
    ok: 'N',
    error_code: 'file_unusable',
    error_text: expect.stringContaining('«Шаблон документа CRM»'),
  });
  expect(generated(deal)).toHaveLength(1);
});

// The last one: it stops the service of the others.
it('makes no second one after a process killed between the portal and Directum, and writes no address down', async () => {
  const DOWNLOAD = 'crm.documentgenerator.document.download';
  const hanging = () =>
    stand.portal.journal.filter(({ method, error }) => method === DOWNLOAD && error === 'hang').length +
    stand.directum.journal.filter(
      ({ verb, path, status }) => verb === 'PUT' && /Body/.test(path) && status === 0,
    ).length;
  const kills: [trouble: () => void, hangs: number][] = [
    [() => stand.portal.misbehave.next({ method: ADD, hangAfterEffect: true }), 0],
    [() => stand.portal.misbehave.next({ method: DOWNLOAD, hang: true }), 1],
    [() => stand.directum.misbehave.next({ verb: 'PUT', path: /Body/, hang: true }), 1],
  ];
  await stand.pause();
  let process: Process = await startProcess(stand.env);
  const lines: string[] = [];
  for (const [trouble, hangs] of kills) {
    const { deal } = addDeal(stand);
    const before = hanging();
    trouble();
    const stage = `C1:KILL${deal}`;
    stand.portal.placeRobot(stage, CODE, { subject: 'Поставка', crm_template: SALE });
    const workflow = await stand.portal.moveItem(2, deal, stage);
    await expect
      .poll(() => [generated(deal).length, hanging() - before], { timeout: 20_000, interval: 20 })
      .toEqual([1, hangs]);
    await process.kill();
    lines.push(...process.lines);
    process = await startProcess(stand.env);
    expect((await stand.portal.waitForStep(workflow, CODE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
    expectOne(deal);
  }
  await process.terminate();
  expect([...lines, ...process.lines].join('')).not.toMatch(/auth=|document\.download/);
}, 180_000);
