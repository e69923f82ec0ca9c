-- The type of the document in a slot: documents that are no contracts have triggers of their own.
ALTER TABLE document_slot ADD COLUMN type text NOT NULL DEFAULT 'contract';
