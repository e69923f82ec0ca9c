/**
 * Whoever writes several documents or items that show them locks them first, as `one`: documents by their ids, and after
 * them the items in one order too, or two would wait for each other. An UPDATE alone takes rows as they lie.
 */
export const lockedDocuments = (condition: string) =>
  `one AS (SELECT id FROM document WHERE ${condition} ORDER BY id FOR UPDATE)`;

/** `given` joins rows that come with the items; their columns are in `one` too. */
export const lockedItems = (condition: string, given = '') =>
  `one AS (SELECT portal, item_code, document_id${given && ', given.*'} FROM watched_document ${given}
    WHERE ${condition} ORDER BY document_id, portal, item_code FOR UPDATE OF watched_document)`;

/** For a statement that writes `watched_document AS w`. */
export const IS_LOCKED_ITEM =
  'w.portal = one.portal AND w.item_code = one.item_code AND w.document_id = one.document_id';
