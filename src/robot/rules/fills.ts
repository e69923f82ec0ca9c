/** Never filled by a table: they say what is made and where, not how (interface.md §8). */
const NEVER = new Set([
  'rules',
  'slot',
  'document_type',
  'check_only',
  'link_document_id',
  'leading_document_id',
]);

/** Inputs that a decision table may fill, of all inputs of a robot that takes tables. */
export const toFills = (inputs: { shape: Record<string, unknown> }): string[] =>
  Object.keys(inputs.shape).filter((code) => !NEVER.has(code));
