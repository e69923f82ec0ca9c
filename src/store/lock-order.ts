/**
 * The end of a question for rows of `watched_document` that are about to be written. Everybody locks documents by their
 * ids, and after them the items that show them in this order, or two would wait for each other; an UPDATE alone takes
 * rows as they lie.
 */
export const IN_ORDER = 'ORDER BY document_id, portal, item_code FOR UPDATE';
