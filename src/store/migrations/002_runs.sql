-- Up Migration

-- One accepted robot call. The row is the durable inbox: it is written before the portal gets its 200.
CREATE TABLE run (
  id text PRIMARY KEY,
  member_id text NOT NULL,
  portal text NOT NULL,
  robot text NOT NULL,
  item_code text NOT NULL,
  -- Encrypted JSON of what the step sent.
  call text NOT NULL,
  wants_answer boolean NOT NULL,
  state text NOT NULL DEFAULT 'accepted' CHECK (state IN ('accepted', 'queued', 'ended')),
  received_at timestamptz NOT NULL,
  deadline_at timestamptz NOT NULL,
  next_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  last_code text,
  last_text jsonb,
  ending text,
  outcome jsonb,
  ended_at timestamptz
);
CREATE INDEX run_accepted ON run (next_at) WHERE state = 'accepted';
CREATE INDEX run_item ON run (portal, item_code);

CREATE TABLE run_attempt (
  run_id text NOT NULL REFERENCES run ON DELETE CASCADE,
  number integer NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  ending text NOT NULL,
  text jsonb,
  PRIMARY KEY (run_id, number)
);

-- What still has to be told to the portal, and what was told.
CREATE TABLE answer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text NOT NULL REFERENCES run ON DELETE CASCADE,
  member_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('result', 'comment')),
  -- 1 or 2: a result is sent twice.
  number integer NOT NULL,
  payload text NOT NULL,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'gone', 'refused')),
  due_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  sent_at timestamptz,
  UNIQUE (run_id, kind, number)
);
CREATE INDEX answer_due ON answer (due_at) WHERE state = 'due';

-- Which run is about to make, or made, the document of a slot.
CREATE TABLE document_intent (
  external_id text PRIMARY KEY,
  run_id text NOT NULL
);

-- Down Migration

DROP TABLE document_intent, answer, run_attempt, run;
