-- Up Migration

-- A document of Directum that some CRM item shows. It is asked about once, however many items show it.
CREATE TABLE document (
  id bigint PRIMARY KEY,
  -- A robot has just made it: whatever shows later is news.
  made boolean NOT NULL DEFAULT false,
  -- What Directum showed of it last; kept when it is gone.
  observed jsonb,
  dates jsonb,
  status text,
  -- As Directum wrote it, with its offset: the day shown is the day there.
  status_since text,
  -- When the question was asked that `observed` answers.
  asked_at timestamptz,
  -- When it is to be read together with its tasks and dates, whatever the windows show.
  look_at timestamptz,
  -- It is no longer watched.
  ended_at timestamptz
);
CREATE INDEX document_look ON document (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX document_watched ON document (id) WHERE ended_at IS NULL;

-- Which items show a document, and what they were told.
CREATE TABLE watched_document (
  portal text NOT NULL,
  item_code text NOT NULL,
  document_id bigint NOT NULL REFERENCES document,
  created_at timestamptz NOT NULL,
  activity_id bigint,
  -- The card the activity shows; null = unknown, it is to be written.
  shown jsonb,
  -- Grows with every change, so that a change during the showing is not taken for shown.
  changes bigint NOT NULL DEFAULT 0,
  -- When it is due to be shown; null = nothing is new.
  show_at timestamptz,
  -- One process shows it at a time.
  taken_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  -- The item is not there any more.
  gone_at timestamptz,
  PRIMARY KEY (portal, item_code, document_id)
);
CREATE INDEX watched_document_of ON watched_document (document_id);
CREATE INDEX watched_document_due ON watched_document (show_at) WHERE show_at IS NOT NULL;

-- The fields of the item as they were written last, for the slot that owns them.
ALTER TABLE document_slot ADD COLUMN shown jsonb;

CREATE TABLE document_task (
  task_id bigint NOT NULL,
  document_id bigint NOT NULL REFERENCES document ON DELETE CASCADE,
  PRIMARY KEY (task_id, document_id)
);
CREATE INDEX document_task_document ON document_task (document_id);

CREATE TABLE assignment (
  id bigint PRIMARY KEY,
  task_id bigint NOT NULL,
  seen jsonb NOT NULL
);
CREATE INDEX assignment_task ON assignment (task_id);

ALTER TABLE watch ADD COLUMN assignment_cursor timestamptz;
ALTER TABLE watch ADD COLUMN reconcile_at timestamptz NOT NULL DEFAULT '-infinity';

-- Documents that slots already hold are watched from now on.
INSERT INTO document (id, look_at) SELECT DISTINCT document_id, now() FROM document_slot;
INSERT INTO watched_document (portal, item_code, document_id, created_at, show_at)
  SELECT portal, item_code, document_id, min(created_at), now() FROM document_slot
  GROUP BY portal, item_code, document_id;

-- Down Migration

ALTER TABLE watch DROP COLUMN assignment_cursor, DROP COLUMN reconcile_at;
ALTER TABLE document_slot DROP COLUMN shown;
DROP TABLE assignment, document_task, watched_document, document;
