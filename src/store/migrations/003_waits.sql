-- Up Migration

ALTER TABLE run DROP CONSTRAINT run_state_check;
ALTER TABLE run ADD CONSTRAINT run_state_check CHECK (state IN ('accepted', 'queued', 'waiting', 'ended'));

-- A run that waits for a fact in Directum. Nothing of it lives in a timer.
CREATE TABLE wait (
  run_id text PRIMARY KEY REFERENCES run ON DELETE CASCADE,
  document_id bigint NOT NULL,
  wait_for text NOT NULL,
  deadline_at timestamptz NOT NULL,
  -- What the last attempt saw, for an answer without Directum.
  facts jsonb NOT NULL,
  -- The facts a verdict depends on: the watcher wakes the run when Directum shows others.
  seen text NOT NULL,
  task_id bigint,
  task_status text,
  task_started_at timestamptz,
  created_at timestamptz NOT NULL
);
CREATE INDEX wait_document ON wait (document_id);
CREATE INDEX wait_deadline ON wait (deadline_at);

-- The file a run put into its CRM item, so that a repeated attempt does not put it there twice.
CREATE TABLE saved_file (
  run_id text PRIMARY KEY REFERENCES run ON DELETE CASCADE,
  sha256 text NOT NULL
);

-- One row: whose turn it is to ask Directum, and how far it was asked. Cursors are Directum's own times.
CREATE TABLE watch (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  poll_at timestamptz NOT NULL DEFAULT '-infinity',
  document_cursor timestamptz,
  task_cursor timestamptz,
  sweep_at timestamptz NOT NULL DEFAULT '-infinity',
  sweep_started_at timestamptz,
  sweep_after bigint
);
INSERT INTO watch DEFAULT VALUES;

-- Down Migration

DROP TABLE watch, saved_file, wait;
ALTER TABLE run DROP CONSTRAINT run_state_check;
ALTER TABLE run ADD CONSTRAINT run_state_check CHECK (state IN ('accepted', 'queued', 'ended'));
