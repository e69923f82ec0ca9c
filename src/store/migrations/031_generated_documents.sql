-- The document that the portal's generator made for the first version of a slot's document.
ALTER TABLE document_slot ADD COLUMN generated_id bigint;
