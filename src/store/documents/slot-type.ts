/** The type of the document of a row `w` of `watched_document` in a slot of its item; null when it is in none. */
export const SLOT_TYPE = `(SELECT min(s.type) FROM document_slot AS s
  WHERE s.document_id = w.document_id AND s.portal = w.portal AND s.item_code = w.item_code)`;
