-- Up Migration

-- Everything that leaves for a portal: answers to steps, triggers, notices, comments, tasks. One row for each fact; it stays
-- after it was told, as the proof of it, until what it tells of is deleted.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Through whom it leaves: an answer through the installation (member id) whose step waits, all else by the portal key.
  recipient text NOT NULL,
  portal text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('answer', 'trigger', 'notice', 'comment', 'task')),
  -- Rows of a lane and recipient leave by one handler. An answer has two of them, first and second sending; a notice passes
  -- through three: its person is found out, it is gathered with others, it is sent.
  lane text NOT NULL
    CHECK (lane IN ('first', 'second', 'trigger', 'address', 'gather', 'message', 'comment', 'task')),
  -- Names the fact: of one kind and portal it is told once.
  dedupe_key text NOT NULL,
  -- What it tells of: a document, a failure, or a run that ended.
  document_id bigint,
  failure_id bigint REFERENCES failure ON DELETE CASCADE,
  run_id text REFERENCES run ON DELETE CASCADE,
  item_code text NOT NULL,
  code text NOT NULL DEFAULT '',
  key text NOT NULL DEFAULT '',
  -- Rows of one series leave one after the other.
  series text,
  -- Sealed JSON; null where the other columns say all.
  payload text,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'gone', 'refused')),
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  -- Somebody is sending it; still here when he said nothing more of it.
  locked_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  -- How often it was taken or changed: a result counts only for what was taken.
  takes integer NOT NULL DEFAULT 0,
  -- Why it is due again, or what ended it.
  last_error text,
  settled_at timestamptz,
  -- Notices: the portal user, once known.
  user_id bigint,
  -- Notices: the message they go out in, once decided; several share a digest.
  message text,
  messaged_at timestamptz,
  CONSTRAINT outbox_subject CHECK (num_nonnulls(document_id, failure_id, run_id) = 1),
  CONSTRAINT outbox_once UNIQUE (portal, kind, dedupe_key)
);
CREATE INDEX outbox_due ON outbox (lane, recipient, due_at) WHERE state = 'due';
CREATE INDEX outbox_series ON outbox (recipient, series, id) WHERE state = 'due' AND series IS NOT NULL;
CREATE INDEX outbox_person ON outbox (portal, user_id, messaged_at) WHERE kind = 'notice';
CREATE INDEX outbox_document ON outbox (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX outbox_failure ON outbox (failure_id) WHERE failure_id IS NOT NULL;
CREATE INDEX outbox_run ON outbox (run_id) WHERE run_id IS NOT NULL;

-- What is due stays due and what was told stays told. Ids stay, because messages are named by them; the due time of a comment
-- whose sender said nothing more was his lease.
INSERT INTO outbox (id, recipient, portal, kind, lane, dedupe_key, document_id, failure_id, item_code, code, key, series, payload,
    state, created_at, due_at, locked_until, attempts, last_error, settled_at, user_id, message, messaged_at)
  OVERRIDING SYSTEM VALUE
  SELECT id, portal, portal, kind,
    CASE WHEN kind <> 'notice' THEN kind WHEN user_id IS NULL THEN 'address' WHEN message IS NULL THEN 'gather' ELSE 'message' END,
    CASE WHEN failure_id IS NULL THEN concat_ws('/', item_code, document_id, code, key) ELSE 'failure ' || failure_id END,
    document_id, failure_id, item_code, code, key, CASE WHEN kind = 'trigger' THEN item_code END, payload,
    state, created_at, due_at,
    CASE WHEN kind = 'comment' AND state = 'due' AND attempts > 0 AND last_error IS NULL THEN due_at END,
    attempts, last_error, settled_at, user_id, message, messaged_at
  FROM telling ORDER BY id;
SELECT setval(pg_get_serial_sequence('outbox', 'id'), coalesce(max(id), 0) + 1, false) FROM outbox;
INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, state, created_at, due_at, attempts,
    last_error, settled_at)
  SELECT answer.member_id, run.portal, CASE kind WHEN 'result' THEN 'answer' ELSE kind END,
    CASE WHEN kind = 'comment' THEN kind WHEN number = 1 THEN 'first' ELSE 'second' END, run_id || '/' || number, run_id, item_code,
    payload, answer.state, coalesce(ended_at, due_at), due_at, answer.attempts, last_error, sent_at
  FROM answer JOIN run ON run.id = run_id ORDER BY answer.id;
INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, document_id, item_code, key, created_at, due_at, attempts)
  SELECT portal, portal, 'task', 'task', assignment_id, document_id, item_code, assignment_id, due_at, due_at, attempts
  FROM mirrored_task WHERE due_at IS NOT NULL ORDER BY due_at, assignment_id;
DROP TABLE telling, answer;
ALTER TABLE mirrored_task DROP COLUMN due_at, DROP COLUMN attempts;

-- Down Migration

ALTER TABLE mirrored_task ADD COLUMN due_at timestamptz, ADD COLUMN attempts integer NOT NULL DEFAULT 0;
UPDATE mirrored_task SET due_at = outbox.due_at, attempts = outbox.attempts FROM outbox
  WHERE kind = 'task' AND state = 'due' AND outbox.portal = mirrored_task.portal AND key = assignment_id::text;
CREATE INDEX mirrored_task_due ON mirrored_task (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE answer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL REFERENCES run ON DELETE CASCADE,
  member_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('result', 'comment')),
  number integer NOT NULL,
  payload text NOT NULL,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'gone', 'refused')),
  due_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  sent_at timestamptz,
  UNIQUE (run_id, kind, number)
);
INSERT INTO answer (run_id, member_id, kind, number, payload, state, due_at, attempts, last_error, sent_at)
  SELECT run_id, recipient, CASE kind WHEN 'answer' THEN 'result' ELSE kind END, CASE lane WHEN 'second' THEN 2 ELSE 1 END, payload,
    state, due_at, attempts, last_error, settled_at
  FROM outbox WHERE run_id IS NOT NULL ORDER BY id;
CREATE INDEX answer_due ON answer (member_id, number, due_at) WHERE state = 'due';
CREATE TABLE telling (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  portal text NOT NULL,
  document_id bigint,
  item_code text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('trigger', 'notice', 'comment')),
  code text NOT NULL,
  key text NOT NULL,
  payload text,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'gone', 'refused')),
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  user_id bigint,
  message text,
  messaged_at timestamptz,
  settled_at timestamptz,
  last_error text,
  failure_id bigint REFERENCES failure ON DELETE CASCADE,
  CONSTRAINT telling_subject CHECK ((document_id IS NULL) <> (failure_id IS NULL)),
  UNIQUE (portal, item_code, document_id, kind, code, key)
);
INSERT INTO telling (id, portal, document_id, item_code, kind, code, key, payload, state, created_at, due_at, attempts, user_id,
    message, messaged_at, settled_at, last_error, failure_id)
  OVERRIDING SYSTEM VALUE
  SELECT id, portal, document_id, item_code, kind, code, key, payload, state, created_at, due_at, attempts, user_id,
    message, messaged_at, settled_at, last_error, failure_id
  FROM outbox WHERE run_id IS NULL AND kind <> 'task' ORDER BY id;
SELECT setval(pg_get_serial_sequence('telling', 'id'), coalesce(max(id), 0) + 1, false) FROM telling;
CREATE INDEX telling_due ON telling (due_at) WHERE state = 'due';
CREATE INDEX telling_item ON telling (portal, item_code, id) WHERE state = 'due' AND kind = 'trigger';
CREATE INDEX telling_person ON telling (portal, user_id, messaged_at) WHERE kind = 'notice';
CREATE INDEX telling_document ON telling (document_id);
CREATE INDEX telling_failure ON telling (failure_id) WHERE failure_id IS NOT NULL;
DROP TABLE outbox;
