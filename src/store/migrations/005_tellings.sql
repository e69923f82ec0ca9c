-- Up Migration

-- What a portal is told because of a watched document: each fact once. A row stays after it was told, as the proof of it.
CREATE TABLE telling (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  portal text NOT NULL,
  document_id bigint NOT NULL,
  item_code text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('trigger', 'notice')),
  code text NOT NULL,
  key text NOT NULL,
  -- Encrypted JSON: whom, and the text. Triggers have none.
  payload text,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'gone', 'refused')),
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  -- Notices: the portal user, once known.
  user_id bigint,
  -- Notices: the message they go out in, once decided; several share a digest.
  message text,
  messaged_at timestamptz,
  settled_at timestamptz,
  last_error text,
  UNIQUE (portal, item_code, document_id, kind, code, key)
);
CREATE INDEX telling_due ON telling (due_at) WHERE state = 'due';
CREATE INDEX telling_item ON telling (portal, item_code, id) WHERE state = 'due' AND kind = 'trigger';
CREATE INDEX telling_person ON telling (portal, user_id, messaged_at) WHERE kind = 'notice';
CREATE INDEX telling_document ON telling (document_id);

-- Assignments shown as tasks of a portal, one task each.
CREATE TABLE mirrored_task (
  portal text NOT NULL,
  assignment_id bigint NOT NULL,
  item_code text NOT NULL,
  document_id bigint NOT NULL,
  -- Encrypted JSON of what the task must show, and its hash, by which a change is known.
  wanted text NOT NULL,
  wanted_hash text NOT NULL,
  task_id bigint,
  -- The making was begun: there may be a task whose id never came back.
  tried boolean NOT NULL DEFAULT false,
  -- Nothing more will be done: closed, or deleted by hand.
  ended boolean NOT NULL DEFAULT false,
  -- Null: the task shows what it must.
  due_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, assignment_id)
);
CREATE INDEX mirrored_task_due ON mirrored_task (due_at) WHERE due_at IS NOT NULL;

-- One row: whose turn it is to look at the dates, up to which document it got, and the last day looked at.
CREATE TABLE due_look (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  day text NOT NULL DEFAULT '',
  look_at timestamptz NOT NULL DEFAULT '-infinity',
  after bigint NOT NULL DEFAULT 0
);
INSERT INTO due_look DEFAULT VALUES;

-- Down Migration

DROP TABLE due_look, mirrored_task, telling;
