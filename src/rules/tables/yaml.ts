import { parseDocument, stringify, visit } from 'yaml';
import { cleanData } from '../../lib/text.ts';
import { type RuleProblem, type RuleTable, readTables } from './tables.ts';

/** Decision tables of a YAML file (interface.md §8); with problems there are no tables. */
export function parseTables(text: string): { tables: RuleTable[]; problems: RuleProblem[] } {
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { prettyErrors: true });
  if (document.errors.length > 0)
    return { tables: [], problems: document.errors.map(({ message }) => notYaml(message)) };
  // An account number of twenty digits, or a code that begins with zeros, is no number: what would lose digits stays a text.
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'number' && String(node.value) !== node.source) node.value = node.source;
    },
  });
  let data: unknown;
  try {
    data = document.toJS();
  } catch (error) {
    // References that unfold to a huge document are refused only here.
    return { tables: [], problems: [notYaml(error instanceof Error ? error.message : String(error))] };
  }
  return readTables(cleanData(data ?? {}));
}

/** Tables as a file that `parseTables` reads. */
export const writeTables = (tables: readonly RuleTable[]): string =>
  stringify(Object.fromEntries(tables.map(({ name, rows }) => [name, rows])), { lineWidth: 0 });

function notYaml(message: string): RuleProblem {
  const [reason = ''] = message.split('\n');
  const text = { ru: `это не YAML: ${reason}`, en: `this is not YAML: ${reason}` };
  return { table: null, row: null, field: null, text };
}
