import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseTables } from '../../src/rules/tables/yaml.ts';
import { createRuleTables } from '../../src/store/rules/rule-tables.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import { addUserField } from '../sandbox/portal/user-fields.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const APPROVE = 'directum_start_approval';
let stand: Stand;
let pool: pg.Pool;
let tables: ReturnType<typeof createRuleTables>;
let moscow: number;

beforeAll(async () => {
  stand = await startStand();
  pool = new pg.Pool({ connectionString: stand.databaseUrl ?? '' });
  const keys = await loadSecretKeys({ dataDir: stand.dataDir, onlyOpen: true });
  tables = createRuleTables({ pool, keys, now: () => new Date() });
  const { list } = addUserField(stand.portal.world, 'CRM_DEAL', 'UF_CRM_REGION', 'enumeration', {
    items: [{ value: 'Москва' }, { value: 'Тверь' }],
  });
  moscow = list[0]?.id ?? 0;
});
afterAll(async () => {
  await pool?.end();
  await stand.stop();
});
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const by = () => ({ portal: stand.portal.memberId, actor: 'operator' as const });

/** These tables and no others. */
async function giveTables(yaml: string): Promise<void> {
  const { tables: given, problems } = parseTables(yaml);
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  for (const { name } of await tables.list(by().portal)) await tables.remove(by(), name);
  await tables.save(by(), given);
}

const endings = async (code: string) =>
  (await pool.query('SELECT 1 FROM run_attempt WHERE ending = $1', [code])).rows.length;

const kindOf = (outputs: Record<string, unknown>) => {
  const contract = stand.directum.get('IContracts', Number(outputs['document_id']));
  const kind = contract.DocumentKind as { Id?: number } | number;
  const id = typeof kind === 'object' ? kind.Id : kind;
  return stand.directum.get('IDocumentKinds', Number(id)).Name;
};

/** Requests to the portal between two moments, those of a batch counted once. */
const hitsSince = (from: number) =>
  stand.portal.journal.slice(from).filter(({ viaBatch }) => !viaBatch).length;

const TABLES = `
default:
  - when: { categoryId: 1, opportunity: { from: 1000000 }, UF_CRM_REGION: [Москва, 50] }
    then: { subject: "{title}, {UF_CRM_REGION}", document_kind: Договор поставки, extra_fields: "PurchaseOrderNumber={originId}" }
  - { then: { document_kind: Договор } }
Пустая:
  - { when: { opportunity: { from: 999999999 } }, then: { document_kind: Договор } }
Негодная:
  - { then: { document_kind: Нет такого вида } }
`;

describe('a decision table', () => {
  it('fills what the step leaves empty, a required input too, in one hit with the item', async () => {
    await giveTables(TABLES);
    const { deal } = addDeal(stand, { deal: { UF_CRM_REGION: moscow, categoryId: 1, originId: 'PO-5' } });
    const from = stand.portal.journal.length;
    const outputs = await runStep(stand, deal, CREATE, { subject: '' });
    expect(outputs).toMatchObject({ ok: 'Y', error_code: '', rule: 'default: 1', created: 'Y' });
    expect(stand.directum.get('IContracts', Number(outputs['document_id']))).toMatchObject({
      Subject: 'Поставка станка, Москва',
      PurchaseOrderNumber: 'PO-5',
    });
    expect(kindOf(outputs)).toBe('Договор поставки');
    const reading = stand.portal.journal.slice(from).filter(({ method }) => method === 'crm.item.get');
    expect(reading.filter(({ params }) => Number(params['entityTypeId']) === 2)).toHaveLength(1);
    // The item with its party and fields, and the answer.
    expect(hitsSince(from)).toBe(2);
  });

  it('asks about a person whom only the row names, and tells the row when there is no such employee', async () => {
    const known = stand.portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Сидоров', EMAIL: 'sidorov@acme.example' });
    const unknown = stand.portal.addUser({ NAME: 'Олег', LAST_NAME: 'Чужой', EMAIL: 'nobody@acme.example' });
    await giveTables(`
default:
  - { when: { opportunity: 5 }, then: { our_signatory: user_${unknown} } }
  - { when: { categoryId: 1 }, then: { our_signatory: user_${known} } }
`);
    const { deal } = addDeal(stand, { deal: { categoryId: 1 } });
    const outputs = await runStep(stand, deal, CREATE, { subject: 'x' });
    expect(outputs).toMatchObject({ ok: 'Y', rule: 'default: 2' });
    const { deal: other } = addDeal(stand, { deal: { opportunity: 5 } });
    expect(await runStep(stand, other, CREATE, { subject: 'x' })).toMatchObject({
      error_code: 'employee_not_found',
      error_text: expect.stringMatching(/Чужой.*таблицы решений «default», строка 1\.$/),
    });
  });

  it('leaves what the designer wrote, and takes the next row when the first does not hold', async () => {
    await giveTables(TABLES);
    const { deal } = addDeal(stand, { deal: { opportunity: 5 } });
    const given = await runStep(stand, deal, CREATE, { subject: 'x', document_kind: 'Договор поставки' });
    expect(given).toMatchObject({ ok: 'Y', rule: '' });
    const { deal: other } = addDeal(stand, { deal: { opportunity: 5 } });
    expect(await runStep(stand, other, CREATE, { subject: 'x' })).toMatchObject({
      ok: 'Y',
      rule: 'default: 2',
    });
  });

  it('that is named and has no fitting row, or is not there, is an answer', async () => {
    await giveTables(TABLES);
    const { deal } = addDeal(stand);
    for (const rules of ['Пустая', 'Нет такой'])
      expect(await runStep(stand, deal, CREATE, { subject: 'x', rules })).toMatchObject({
        ok: 'N',
        error_code: 'rule_not_found',
        error_text: expect.stringContaining(`«${rules}»`),
        document_id: '',
      });
    expect(
      stand.directum.all('IContracts').filter((one) => String(one['ExternalId']).includes(`DEAL_${deal}:`)),
    ).toEqual([]);
  });

  it('with a record that Directum lacks is told with table and row', async () => {
    await giveTables(TABLES);
    const { deal } = addDeal(stand);
    expect(await runStep(stand, deal, CREATE, { subject: 'x', rules: 'негодная' })).toMatchObject({
      error_code: 'reference_not_found',
      error_text: expect.stringMatching(/«Вид документа».*таблицы решений «Негодная», строка 1\.$/),
      rule: 'Негодная: 1',
    });
  });

  it('counts as it stands when the run is attempted', async () => {
    await giveTables('default: [{ then: { document_kind: Нет такого вида } }]');
    const { deal } = addDeal(stand);
    stand.directum.misbehave.down = true;
    const step = runStep(stand, deal, CREATE, { subject: 'x' }, 30_000);
    await expect.poll(() => endings('directum_unavailable'), { timeout: 10_000 }).toBeGreaterThan(0);
    await giveTables('default: [{ then: { document_kind: Договор поставки } }]');
    stand.directum.misbehave.reset();
    const outputs = await step;
    expect(outputs).toMatchObject({ ok: 'Y', rule: 'default: 1' });
    expect(kindOf(outputs)).toBe('Договор поставки');
  });

  it('fills an approval', async () => {
    await giveTables(`
default:
  - { robot: directum_start_approval, then: { approval_type: free, approvers: "{assignedById}", comment: "Срочно: {title}" } }
`);
    const { deal } = addDeal(stand);
    await runStep(stand, deal, CREATE, { subject: 'x' });
    const outputs = await runStep(stand, deal, APPROVE, { approval_type: 'auto' });
    expect(outputs).toMatchObject({ ok: 'Y', task_started: 'Y' });
  });

  it('fills a document of the type that a row names', async () => {
    await giveTables(`
default:
  - { robot: directum_create_document, document_type: [act, waybill], then: { subject: не то } }
  - { robot: directum_create_document, document_type: outgoing_invoice, then: { subject: "Счёт: {title}" } }
`);
    const { deal } = addDeal(stand);
    const outputs = await runStep(stand, deal, 'directum_create_document', {
      document_type: 'outgoing_invoice',
    });
    expect(outputs).toMatchObject({ ok: 'Y', error_code: '', rule: 'default: 2' });
    const invoice = stand.directum.get('IOutgoingInvoices', Number(outputs['document_id']));
    expect(invoice.Subject).toBe('Счёт: Поставка станка');
  });

  it('knows titles of lists where the portal refuses the usual method, and else decides nothing', async () => {
    await giveTables(TABLES);
    const { missingMethods } = stand.portal.misbehave;
    missingMethods.add('crm.item.fields');
    await stand.restart();
    const { deal } = addDeal(stand, { deal: { UF_CRM_REGION: moscow, categoryId: 1 } });
    expect(await runStep(stand, deal, CREATE, {})).toMatchObject({ ok: 'Y', rule: 'default: 1' });
    missingMethods.add('crm.deal.userfield.list');
    await stand.restart();
    const { deal: other } = addDeal(stand, { deal: { UF_CRM_REGION: moscow, categoryId: 1 } });
    const step = runStep(stand, other, CREATE, {});
    await expect.poll(() => endings('portal_unavailable'), { timeout: 10_000 }).toBeGreaterThan(0);
    missingMethods.clear();
    expect(await step).toMatchObject({ ok: 'Y', rule: 'default: 1' });
  });
});

it('what is kept of tables is sealed, and each change is a line of the journal', async () => {
  await giveTables('default: [{ then: { document_kind: Тайный вид } }]');
  const { rows } = await pool.query('SELECT rows FROM rule_table');
  expect(JSON.stringify(rows)).not.toContain('Тайный');
  const { tables: changed } = parseTables('DEFAULT: [{ then: {} }, { then: { document_kind: x } }]');
  for (const _ of ['changed', 'the same again']) await tables.save(by(), changed);
  expect(await tables.remove(by(), ' default ')).toBe(true);
  expect(await tables.remove(by(), 'default')).toBe(false);
  const lines = await pool.query(
    `SELECT type, actor, data FROM journal WHERE type LIKE 'rules.%' ORDER BY id DESC LIMIT 3`,
  );
  expect(lines.rows.toReversed()).toEqual([
    {
      type: 'rules.changed',
      actor: 'operator',
      data: { table: 'default', rows: 1, before: null, changed: [1] },
    },
    {
      type: 'rules.changed',
      actor: 'operator',
      data: { table: 'DEFAULT', rows: 2, before: 1, changed: [1, 2] },
    },
    { type: 'rules.removed', actor: 'operator', data: { table: 'DEFAULT' } },
  ]);
});
