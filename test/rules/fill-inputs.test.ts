import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createContract } from '../../robots/create-contract.ts';
import { startApproval } from '../../robots/start-approval.ts';
import type { ItemSnapshot, ReadRequest } from '../../src/robot/ports/portal.ts';
import type { AnyRobot } from '../../src/robot/robot.ts';
import type { Properties } from '../../src/robot/run/inputs.ts';
import { runRobot } from '../../src/robot/run-robot.ts';
import { createRules } from '../../src/rules/fill/fill-inputs.ts';
import { parseTables } from '../../src/rules/tables/yaml.ts';

const FIELDS = {
  title: 'Поставка\nстанка',
  opportunity: 1_500_000,
  categoryId: 3,
  assignedById: 7,
  begindate: '2026-03-31T03:00:00+03:00',
  UF_CRM_REGION: 101,
  UF_CRM_BOSSES: [5, 8],
  UF_CRM_EMPTY: null,
};
const KINDS = new Map([
  ['UF_CRM_REGION', { type: 'enumeration', items: new Map([['101', 'Москва']]) }],
  ['UF_CRM_BOSSES', { type: 'employee', items: new Map<string, string>() }],
]);

function bench(yaml: string, fields: Record<string, unknown> = FIELDS) {
  const { tables, problems } = parseTables(yaml);
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  const reads: ReadRequest[] = [];
  const rules = createRules({
    tables: async () => tables,
    portal: {
      async read(request = {}) {
        reads.push(request);
        return {
          fields,
          ...(request.itemFields && { itemFields: KINDS }),
        } as unknown as ItemSnapshot;
      },
    },
    timeZone: 'Europe/Moscow',
  });
  const fill = (properties: Properties = {}, robot: AnyRobot = createContract) =>
    rules.fill(robot, properties);
  return { fill, reads, rules };
}

describe('a table', () => {
  it('gives the first row that holds, for this robot', async () => {
    const { fill } = bench(`
default:
  - { robot: directum_start_approval, then: { comment: чужая } }
  - { when: { categoryId: 4 }, then: { document_kind: Не та } }
  - { when: { categoryId: 3 }, then: { document_kind: Договор поставки } }
  - { then: { document_kind: Поздно } }
`);
    expect(await fill({ subject: 'x' })).toEqual({
      properties: { subject: 'x', document_kind: 'Договор поставки' },
      row: { table: 'default', number: 3, inputs: ['document_kind'] },
    });
    expect((await fill({}, startApproval)).properties).toEqual({ comment: 'чужая' });
  });

  it('fills only what is left empty; a select with its default is, if_exists never', async () => {
    const { fill } = bench(`
default:
  - { then: { document_kind: Договор, category: Своя, if_exists: update } }
  - { robot: directum_start_approval, then: { approval_type: free } }
`);
    expect(await fill({ document_kind: 'Заданный', category: ' ', if_exists: 'keep' })).toMatchObject({
      properties: { document_kind: 'Заданный', category: 'Своя', if_exists: 'keep' },
      row: { inputs: ['category'] },
    });
    expect((await fill({ if_exists: '' })).properties).toMatchObject({ if_exists: 'update' });
    expect((await fill({ approval_type: 'auto' }, startApproval)).properties).toEqual({
      approval_type: 'free',
    });
    expect((await fill({ approval_type: 'rule' }, startApproval)).properties).toEqual({
      approval_type: 'rule',
    });
    const kept = { document_kind: 'a', category: 'b', if_exists: 'keep' };
    expect(await fill(kept)).toEqual({ properties: kept, row: null });
  });

  it('leaves the file alone when one source of it is filled', async () => {
    const { fill } = bench('default: [{ then: { template: Поставка, document_kind: Договор } }]');
    expect((await fill({ file_field: 'UF_CRM_FILE' })).properties).toEqual({
      file_field: 'UF_CRM_FILE',
      document_kind: 'Договор',
    });
    expect((await fill({ crm_template: '5' })).properties).not.toHaveProperty('template');
    expect((await fill()).properties).toMatchObject({ template: 'Поставка' });
  });

  it('puts values of the item into texts, in the form an input takes', async () => {
    const { fill } = bench(`
default:
  - then:
      subject: "{title}: {UF_CRM_REGION}, {opportunity}"
      responsible: "{assignedById}"
      valid_from: "{begindate}"
      extra_fields: "A={UF_CRM_EMPTY}\\nB={UF_CRM_BOSSES}"
      category: "{UF_CRM_EMPTY}"
  - { robot: directum_start_approval, then: { approvers: "{UF_CRM_BOSSES}" } }
`);
    expect((await fill()).properties).toEqual({
      subject: 'Поставка станка: Москва, 1500000',
      responsible: 'user_7',
      valid_from: '2026-03-31',
      extra_fields: 'A=\nB=user_5, user_8',
    });
    expect((await fill({}, startApproval)).properties).toEqual({ approvers: ['user_5', 'user_8'] });
  });

  it('takes whatever the portal prints, in one line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const { fill } = bench('default: [{ then: { subject: "№ {title}" } }]', { title: value });
        const { subject } = (await fill()).properties;
        expect(subject).toMatch(/^№/);
        expect(String(subject)).not.toMatch(/[\r\n]/);
      }),
    );
  });

  it('that is named and is not there, or has no row that holds, is rule_not_found; default is not', async () => {
    const { fill } = bench(`
default: [{ when: { categoryId: 9 }, then: { document_kind: x } }]
Поставка: [{ when: { categoryId: 9 }, then: { document_kind: x } }]
`);
    expect(await fill()).toEqual({ properties: {}, row: null });
    await expect(fill({ rules: 'нет такой' })).rejects.toMatchObject({ code: 'rule_not_found' });
    await expect(fill({ rules: ' ПОСТАВКА ' })).rejects.toMatchObject({ code: 'rule_not_found' });
    await expect(fill({ rules: 'default' })).rejects.toMatchObject({ code: 'rule_not_found' });
    expect(await bench('{}').fill()).toEqual({ properties: {}, row: null });
  });

  it('reads the item only when a row asks for it, with kinds of fields only for those of the customer', async () => {
    const plain = bench('default: [{ then: { document_kind: x } }]');
    await plain.fill();
    expect(plain.reads).toEqual([]);
    const system = bench('default: [{ when: { categoryId: 3 }, then: { document_kind: "{title}" } }]');
    await system.fill({ responsible: 'user_5' });
    expect(system.reads).toEqual([{ users: [5], share: true }]);
    const own = bench('default: [{ when: { UF_CRM_REGION: Москва }, then: { document_kind: x } }]');
    await own.fill();
    expect(own.reads).toEqual([{ users: [], share: true, itemFields: true }]);
  });
});

describe('a robot whose inputs a table filled', () => {
  const attempt = (yaml: string, properties: Properties) =>
    runRobot(createContract, properties, {
      item: { typeId: 2, id: 1, code: 'DEAL_1' },
      documentType: 'DEAL_1',
      rules: bench(yaml).rules,
      log: { info() {} },
    } as never);

  it('takes a required input from it, and names table and row where the value does not fit', async () => {
    const yaml = 'default: [{ then: { subject: x, amount: "{title}" } }]';
    const outcome = await attempt(yaml, {});
    expect(outcome).toMatchObject({ code: 'input_invalid', values: { rule: 'default: 1' } });
    expect(outcome.kind === 'failed' && outcome.text).toEqual({
      ru: expect.stringMatching(/«Сумма».* Значение — из таблицы решений «default», строка 1\.$/),
      en: expect.stringMatching(/«Amount».* The value comes from the decision table «default», row 1\.$/),
    });
  });

  it('does not blame the table for what the designer wrote', async () => {
    const outcome = await attempt('default: [{ then: { subject: x } }]', { amount: 'много' });
    expect(outcome.kind === 'failed' && outcome.text.en).not.toContain('decision table');
  });
});
