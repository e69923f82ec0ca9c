-- Up Migration

-- A person closed the task although its assignment is open: it is to be opened again.
ALTER TABLE mirrored_task ADD COLUMN reopen boolean NOT NULL DEFAULT false;
CREATE INDEX mirrored_task_document ON mirrored_task (document_id);

-- Down Migration

DROP INDEX mirrored_task_document;
ALTER TABLE mirrored_task DROP COLUMN reopen;
