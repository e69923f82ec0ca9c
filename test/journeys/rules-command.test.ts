import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { addUserField } from '../sandbox/portal/user-fields.ts';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
let database: pg.Client;
let folder: string;
let file: string;

beforeAll(async () => {
  stand = await startStand();
  database = new pg.Client({ connectionString: stand.databaseUrl ?? '' });
  await database.connect();
  folder = await mkdtemp(join(tmpdir(), 'rules-'));
  file = join(folder, 'rules.yaml');
  const { world } = stand.portal;
  addUserField(world, 'CRM_DEAL', 'UF_CRM_REGION', 'enumeration', {
    items: [{ value: 'Москва' }, { value: '77' }],
  });
  addUserField(world, 'CRM_DEAL', 'UF_CRM_FILE', 'file');
  const { id } = stand.portal.addType(1030);
  addUserField(world, `CRM_${id}`, 'UF_CRM_44_OWN', 'string');
});
afterAll(async () => {
  await database?.end();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const rules = (...args: string[]) => runCommand('rules', args, { ...stand.env, LANG: 'en_US.UTF-8' });
async function importing(yaml: string, ...args: string[]) {
  await writeFile(file, yaml);
  return rules('import', file, ...args);
}
const kept = async () =>
  (await database.query('SELECT name FROM rule_table ORDER BY name')).rows.map(({ name }) => name);

const GOOD = `
default:
  - title: Москва
    when: { UF_CRM_REGION: [Москва, 77], opportunity: { from: 1000000 } }
    then: { document_kind: Договор поставки, extra_fields: "PurchaseOrderNumber={originId}" }
  - { then: { document_kind: Договор } }
`;

it('shows what would change, does it with --apply, and then has nothing to do', async () => {
  expect(await importing(GOOD)).toMatchObject({
    code: 2,
    out: '+ default (2 rows)\nnothing is changed without --apply\n',
  });
  expect(await kept()).toEqual([]);
  expect(await importing(GOOD, '--apply')).toMatchObject({ code: 0, out: '+ default (2 rows)\nimported\n' });
  expect(await importing(GOOD)).toMatchObject({ code: 0, out: '= default (2 rows)\nnothing to do\n' });
  const other = 'Вторая: [{ then: { subject: x } }]';
  expect(await importing(other, '--apply')).toMatchObject({ code: 0 });
  // A table that the file does not name stays.
  expect(await kept()).toEqual(['default', 'Вторая']);
  const changed = GOOD.replace('Договор }', 'Договор поставки }');
  expect((await importing(changed)).out).toContain('~ default (2 rows; rows 2)');
  expect((await rules('list')).out).toMatch(/default +2 +directum_create_contract/);
});

it('tables that were imported are used by the next run, and their change is in the journal', async () => {
  await importing(GOOD, '--apply');
  const { deal } = addDeal(stand, { deal: { opportunity: 5 } });
  expect(await runStep(stand, deal, 'directum_create_contract', { subject: 'x' })).toMatchObject({
    ok: 'Y',
    rule: 'default: 2',
  });
  const { rows } = await database.query(`SELECT actor, data FROM journal WHERE type = 'rules.changed'`);
  expect(rows[0]).toEqual({
    actor: 'operator',
    data: { table: 'default', rows: 2, before: null, changed: [1, 2] },
  });
});

it('what it exports it imports without a change', async () => {
  await importing(GOOD, '--apply');
  const out = join(folder, 'out.yaml');
  expect(await rules('export', out)).toMatchObject({ code: 0, err: '' });
  expect(await readFile(out, 'utf8')).toContain('PurchaseOrderNumber={originId}');
  expect(await rules('import', out)).toMatchObject({
    code: 0,
    out: expect.stringContaining('nothing to do'),
  });
});

it('refuses what the portal or Directum lacks, with every problem, and imports nothing', async () => {
  const before = await kept();
  const { code, out, err } = await importing(
    `
Новая: [{ then: { subject: x } }]
Плохая:
  - when: { UF_CRM_REGIO: 1, UF_CRM_REGION: Тверь }
    then: { document_kind: Нет вида, category: Нет категории, business_unit: Нет, department: Нет, template: Нет, vat_rate: Нет }
  - then:
      subject: "{UF_CRM_NONE}"
      responsible: user_9999
      file_field: UF_CRM_REGION
      amount: 5|XXX
      extra_fields: "NoSuchProperty={title}"
  - { robot: directum_start_approval, then: { approvers: [user_1] } }
  - robot: directum_create_document
    document_type: [act, simple]
    then: { document_kind: Счёт, crm_template: Нет шаблона, our_signatory: user_1 }
  - { when: { UF_CRM_44_OWN: 5 }, then: { file_field: uf_crm_file, document_kind: 5|RUB } }
`,
    '--apply',
  );
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err.trim().split('\n')).toEqual([
    expect.stringMatching(/^table «Плохая», row 1, when.UF_CRM_REGIO: neither deals nor other items/),
    expect.stringMatching(
      /row 1, when.UF_CRM_REGION: the field's list has no value «Тверь»; there are Москва, 77/,
    ),
    expect.stringMatching(
      /row 1, then.document_kind: «Document kind»: Directum has no active record «Нет вида»/,
    ),
    expect.stringMatching(/row 1, then.category: .*«Нет категории»/),
    expect.stringMatching(/row 1, then.business_unit: /),
    expect.stringMatching(/row 1, then.department: /),
    expect.stringMatching(/row 1, then.template: /),
    expect.stringMatching(/row 1, then.vat_rate: /),
    expect.stringMatching(/row 2, then.subject: .*UF_CRM_NONE/),
    expect.stringMatching(/row 2, then.responsible: «Responsible»: for «user_9999»/),
    expect.stringMatching(
      /row 2, then.file_field: «File field»: the portal has no file field «UF_CRM_REGION»/,
    ),
    expect.stringMatching(/row 2, then.amount: .*XXX/),
    expect.stringMatching(/row 2, then.extra_fields: .*«NoSuchProperty»/),
    expect.stringMatching(/row 3, then.approvers: «Approvers»: for «Админова Анна»/),
    expect.stringMatching(/row 4, then.document_kind: .*«Счёт»/),
    expect.stringMatching(/row 4, then.crm_template: /),
    expect.stringMatching(/row 4, then.our_signatory: /),
    expect.stringMatching(/row 5, then.document_kind: /),
  ]);
  expect(await kept()).toEqual(before);
});

it.each([
  ['default: [{ then: { document_kind: [a, b] } }]', 'table «default», row 1, then.document_kind: one value'],
  ['default: {', 'this is not YAML'],
])('refuses %s', async (yaml, words) => {
  expect(await importing(yaml)).toMatchObject({ code: 1, err: expect.stringContaining(words) });
});

it('check tells of a record that vanished since, and of a system that does not answer', async () => {
  await importing(GOOD, '--apply');
  expect(await rules('check')).toMatchObject({ code: 0, out: expect.stringContaining('✓ default (2 rows)') });
  const kind = stand.directum.all('IDocumentKinds').find(({ Name }) => Name === 'Договор поставки');
  stand.directum.patch('IDocumentKinds', Number(kind?.['Id']), { Status: 'Closed' });
  try {
    expect(await rules('check')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^table «default», row 1, then.document_kind: .*«Договор поставки»/),
    });
  } finally {
    stand.directum.patch('IDocumentKinds', Number(kind?.['Id']), { Status: 'Active' });
  }
  stand.directum.misbehave.down = true;
  expect(await rules('check')).toMatchObject({ code: 1, err: expect.stringContaining('Directum') });
});

it('remove takes one table away', async () => {
  await importing('Лишняя: []', '--apply');
  expect(await rules('remove', 'лишняя')).toMatchObject({ code: 0 });
  expect(await rules('remove', 'Лишняя')).toMatchObject({
    code: 1,
    err: expect.stringContaining('«Лишняя»'),
  });
});

it('is told how it is given', async () => {
  expect(await rules('--help')).toMatchObject({
    code: 0,
    out: expect.stringContaining('import FILE [--apply]'),
  });
  expect(await rules()).toMatchObject({ code: 1, err: expect.stringContaining('usage: npm run rules') });
  expect(await rules('import')).toMatchObject({ code: 1, err: expect.stringContaining('FILE is missing') });
  expect(await rules('check', '--apply')).toMatchObject({ code: 1 });
  expect(await rules('list', 'x')).toMatchObject({
    code: 1,
    err: expect.stringContaining('unexpected argument: x'),
  });
  expect(await rules('list', '--portal', 'other.example')).toMatchObject({
    code: 1,
    err: 'no installation on other.example\n',
  });
  await writeFile(file, Buffer.from([0xcf, 0xf0, 0xe8]));
  expect(await rules('import', file)).toMatchObject({ code: 1, err: expect.stringContaining('not UTF-8') });
});
