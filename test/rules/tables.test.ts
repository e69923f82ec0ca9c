import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { robots } from '../../robots/index.ts';
import { checkTables } from '../../src/rules/check/check-tables.ts';
import { tellProblem } from '../../src/rules/tables/tables.ts';
import { parseTables, writeTables } from '../../src/rules/tables/yaml.ts';

function problemsOf(yaml: string): string[] {
  const { tables, problems } = parseTables(yaml);
  return [...problems, ...checkTables(tables, robots)].map((problem) => tellProblem(problem).en);
}

const EXAMPLE = `
default:
  - title: Supply above a million
    when: { categoryId: 3, opportunity: { from: 1000000 }, UF_CRM_REGION: [77, 50] }
    then: { document_kind: Договор поставки, template: Поставка, extra_fields: "DeliveryTerm={UF_CRM_DELIVERY}" }
  - title: Everything else
    then: { document_kind: Договор }
  - title: Approval of large sums
    robot: directum_start_approval
    when: { opportunity: { from: 1000000 } }
    then: { approval_type: process }
`;

describe('tables of a file', () => {
  it('are those of the contract, and come back from what is written', () => {
    const { tables, problems } = parseTables(EXAMPLE);
    expect(problems).toEqual([]);
    expect(tables.map(({ name, rows }) => [name, rows.length])).toEqual([['default', 3]]);
    expect(problemsOf(EXAMPLE)).toEqual([]);
    expect(parseTables(writeTables(tables)).tables).toEqual(tables);
  });

  it('keep digits that a number would lose', () => {
    const { tables } = parseTables(
      `default:\n  - when: { a: 007, b: 40702810900000012345, c: "3", d: 3, e: 1.50, f: ~, g: 2026-01-31 }\n    then: {}`,
    );
    expect(tables[0]?.rows[0]?.when).toEqual({
      ...{ a: '007', b: '40702810900000012345', c: '3', d: 3, e: '1.50', f: null, g: '2026-01-31' },
    });
    expect(parseTables(writeTables(tables)).tables).toEqual(tables);
  });

  it('say where each problem is, in both languages', () => {
    const { tables, problems } = parseTables(`
first:
  - when: { opportunity: {} }
    then: { document_kind: x }
  - title: [1]
    than: { document_kind: x }
second: { a: 1 }
`);
    expect(tables).toEqual([]);
    expect(problems.map((one) => tellProblem(one).en)).toEqual([
      'table «first», row 1, when.opportunity: a value, a list of values, or { from, to } of numbers or dates is expected',
      'table «first», row 2, title: a text is expected',
      'table «first», row 2, then: inputs of the robot and their values are expected',
      'table «first», row 2, than: a row has no such part; there are title, robot, document_type, when, then',
      'table «second»: a list of rows is expected, 1000 at the most',
    ]);
    expect(problems.map((one) => tellProblem(one).ru)[4]).toBe(
      'таблица «second»: нужен список строк, не больше 1000',
    );
  });

  it.each([
    ['', []],
    ['- 1', ['tables are expected, each with a name and a list of rows']],
    ['a: [\n', [expect.stringMatching(/^this is not YAML: .*line \d/)]],
    ['a: []\na: []', [expect.stringMatching(/^this is not YAML: .*unique/)]],
    ['A: []\na: []', ['table «a»: another table has this name (the case of letters does not count)']],
    ['" ": []', ['table «»: a name has 1 to 100 characters']],
    ['a: [1]', ['table «a», row 1: a row of when and then is expected']],
  ])('%j', (yaml, expected) => {
    expect(problemsOf(yaml)).toEqual(expected);
  });

  it.each([
    [
      '{ robot: directum_sync_counterparty, then: { } }',
      'row 1, robot: there is no «directum_sync_counterparty»; there are directum_create_contract, ',
    ],
    [
      '{ then: { subjekt: x } }',
      'row 1, then.subjekt: directum_create_contract has no such input for tables',
    ],
    ['{ then: { slot: x } }', 'then.slot: directum_create_contract has no such input'],
    ['{ then: { rules: x } }', 'then.rules: directum_create_contract has no such input'],
    [
      '{ then: { link_document_id: 5 } }',
      'then.link_document_id: directum_create_contract has no such input',
    ],
    [
      '{ robot: directum_start_approval, then: { deadline: 2026-01-01 } }',
      'then.deadline: directum_start_approval has no such input',
    ],
    [
      '{ robot: [directum_create_contract, directum_start_approval], then: { document_kind: x } }',
      'then.document_kind: directum_start_approval has no such',
    ],
    [
      '{ robot: directum_start_approval, then: { approval_type: proces } }',
      'then.approval_type: no such option; there are: auto, rule, process, free',
    ],
    ['{ then: { amount: much } }', 'then.amount: this is not a number'],
    ['{ then: { subject: " " } }', 'then.subject: the value is empty'],
    [
      '{ then: { subject: "{=Document:TITLE}" } }',
      'then.subject: placeholders of the portal do not work here',
    ],
    ['{ then: { subject: [a, b] } }', 'then.subject: one value is expected, no list'],
    ['{ then: { template: a, file_field: b } }', 'then.file_field: the file comes from elsewhere already'],
    ['{ when: { opportunity: { from: 5, to: 1 } }, then: {} }', 'when.opportunity: two numbers or two dates'],
    [
      '{ when: { begindate: { from: 2026-01-01, to: 5 } }, then: {} }',
      'when.begindate: two numbers or two dates',
    ],
    ['{ when: { "a b": 1 }, then: {} }', 'when.a b: this is no code of a field'],
    ['{ document_type: act, then: {} }', 'document_type: types of documents stand only with'],
    [
      '{ robot: directum_create_document, then: {} }',
      'document_type: with directum_create_document name the document_type',
    ],
    [
      '{ robot: directum_create_document, document_type: deed, then: {} }',
      'document_type: there is no «deed»; there are act, outgoing_invoice',
    ],
    [
      '{ robot: directum_create_document, document_type: [act, simple], then: { amount: 5 } }',
      'then.amount: directum_create_document (simple) has no such input',
    ],
  ])('a row %s is refused', (row, expected) => {
    const problems = problemsOf(`default: [${row}]`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  it.each([
    '{ then: { if_exists: update, subject: "{title}", amount: "{UF_CRM_SUM}", responsible: user_7 } }',
    '{ robot: directum_start_approval, then: { approvers: [user_5, "{UF_CRM_BOSS}"], approval_type: "{UF_CRM_WAY}" } }',
    '{ robot: [directum_create_contract, directum_create_document], document_type: act, then: { amount: 1200000.50|RUB } }',
    '{ when: { a: null, b: { to: 31.12.2026 }, c: [x, null] }, then: {} }',
  ])('a row %s is taken', (row) => {
    expect(problemsOf(`default: [${row}]`)).toEqual([]);
  });

  it('whatever the file holds is read or refused, never thrown', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void problemsOf(text)));
    fc.assert(fc.property(fc.jsonValue(), (value) => void problemsOf(JSON.stringify(value))));
  });
});
