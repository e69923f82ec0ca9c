-- Up Migration

-- Runs that ended badly: what is counted when it is decided who is told, and by what a repeated failure is known.
CREATE TABLE failure (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL REFERENCES run ON DELETE CASCADE,
  portal text NOT NULL,
  robot text NOT NULL,
  item_code text NOT NULL,
  code text NOT NULL,
  text jsonb,
  wants_answer boolean NOT NULL,
  -- An ending that is no failure: only the item of a step that does not wait is told.
  quiet boolean NOT NULL,
  failed_at timestamptz NOT NULL,
  -- Null: not decided yet. `crowd`: so many items failed alike that the installer was told of all of them.
  told text CHECK (told IN ('nothing', 'item', 'crowd'))
);
CREATE INDEX failure_new ON failure (id) WHERE told IS NULL;
CREATE INDEX failure_code ON failure (portal, code, failed_at);
CREATE INDEX failure_item ON failure (portal, item_code);
CREATE INDEX failure_run ON failure (run_id);

-- A portal is told of a document or of a failure.
ALTER TABLE telling ALTER COLUMN document_id DROP NOT NULL,
  ADD COLUMN failure_id bigint REFERENCES failure ON DELETE CASCADE,
  ADD CONSTRAINT telling_subject CHECK ((document_id IS NULL) <> (failure_id IS NULL)),
  DROP CONSTRAINT telling_kind_check,
  ADD CONSTRAINT telling_kind_check CHECK (kind IN ('trigger', 'notice', 'comment'));
CREATE INDEX telling_failure ON telling (failure_id) WHERE failure_id IS NOT NULL;

-- Comments that were still to be left.
INSERT INTO failure (run_id, portal, robot, item_code, code, text, wants_answer, quiet, failed_at)
  SELECT run.id, portal, robot, item_code, ending, last_text, wants_answer,
    ending IN ('cancelled', 'rejected', 'not_signed', 'deleted', 'expired'), ended_at
  FROM answer JOIN run ON run.id = run_id
  WHERE kind = 'comment' AND answer.state = 'due' AND run.state = 'ended' ORDER BY answer.id;
DELETE FROM answer WHERE kind = 'comment' AND state = 'due';

-- Down Migration

DELETE FROM telling WHERE document_id IS NULL;
ALTER TABLE telling DROP COLUMN failure_id, ALTER COLUMN document_id SET NOT NULL, DROP CONSTRAINT telling_kind_check,
  ADD CONSTRAINT telling_kind_check CHECK (kind IN ('trigger', 'notice'));
DROP TABLE failure;
