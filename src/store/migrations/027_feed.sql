-- Up Migration

-- Work that is due again and again: of several processes one makes a step at a time, from where the last one stopped.
CREATE TABLE feed (
  name text PRIMARY KEY,
  -- How far it is.
  cursor jsonb NOT NULL DEFAULT '{}',
  due_at timestamptz NOT NULL DEFAULT '-infinity',
  -- Who makes the step that is under way, and until when it is left to him: a step counts only for its holder.
  holder text,
  held_until timestamptz
);
INSERT INTO feed (name, cursor) SELECT 'dates', jsonb_build_object('day', day, 'after', after) FROM due_look;
INSERT INTO feed (name, cursor, due_at)
  SELECT 'night', jsonb_build_object('after', after, 'documents', documents, 'differences', differences, 'failed', failed), due_at
  FROM comparison WHERE due_at IS NOT NULL;
INSERT INTO feed (name, cursor, due_at)
  SELECT 'poll', jsonb_build_object('documents', document_cursor, 'tasks', task_cursor, 'assignments', assignment_cursor), poll_at FROM watch
  UNION ALL SELECT 'rescan', jsonb_build_object('round', sweep_round, 'startedAt', sweep_started_at, 'after', sweep_after), sweep_at FROM watch;
DROP TABLE due_look, comparison;
ALTER TABLE watch DROP COLUMN poll_at, DROP COLUMN document_cursor, DROP COLUMN task_cursor, DROP COLUMN assignment_cursor,
  DROP COLUMN sweep_at, DROP COLUMN sweep_started_at, DROP COLUMN sweep_after, DROP COLUMN sweep_round;

-- Down Migration

ALTER TABLE watch ADD COLUMN poll_at timestamptz NOT NULL DEFAULT '-infinity', ADD COLUMN document_cursor timestamptz,
  ADD COLUMN task_cursor timestamptz, ADD COLUMN assignment_cursor timestamptz,
  ADD COLUMN sweep_at timestamptz NOT NULL DEFAULT '-infinity', ADD COLUMN sweep_started_at timestamptz,
  ADD COLUMN sweep_after bigint, ADD COLUMN sweep_round integer NOT NULL DEFAULT 0;
UPDATE watch SET document_cursor = (cursor ->> 'documents')::timestamptz, task_cursor = (cursor ->> 'tasks')::timestamptz,
  assignment_cursor = (cursor ->> 'assignments')::timestamptz FROM feed WHERE name = 'poll';
UPDATE watch SET sweep_round = (cursor ->> 'round')::int FROM feed WHERE name = 'rescan' AND cursor ? 'round';
CREATE TABLE due_look (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  day text NOT NULL DEFAULT '',
  look_at timestamptz NOT NULL DEFAULT '-infinity',
  after bigint NOT NULL DEFAULT 0
);
INSERT INTO due_look DEFAULT VALUES;
CREATE TABLE comparison (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  due_at timestamptz,
  held_until timestamptz NOT NULL DEFAULT '-infinity',
  after bigint NOT NULL DEFAULT 0,
  documents integer NOT NULL DEFAULT 0,
  differences integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0
);
INSERT INTO comparison DEFAULT VALUES;
DROP TABLE feed;
