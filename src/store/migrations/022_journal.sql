-- Up Migration

-- One line for each fact, only ever added (docs/architecture.md, Journal). It begins with this version: rows of before are
-- not turned into lines.
CREATE TABLE journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  -- Portal key, as in document_slot; null for what concerns no portal.
  portal text,
  item_code text,
  document_id bigint,
  type text NOT NULL,
  -- Who caused it: run, portal user, operator at the shell, service.
  actor text NOT NULL,
  data jsonb NOT NULL,
  -- Place in the chain, given in the order of sealing; a line that was committed late is sealed later.
  seal_no bigint UNIQUE,
  -- Over the line and the hash before it, by a key that is not in the database.
  hash text,
  key_id text
);
CREATE INDEX journal_unsealed ON journal (id) WHERE seal_no IS NULL;
CREATE INDEX journal_at ON journal (at);
CREATE INDEX journal_item ON journal (item_code, id) WHERE item_code IS NOT NULL;
CREATE INDEX journal_document ON journal (document_id, id) WHERE document_id IS NOT NULL;

-- People that lines name by `key`, beside the chain, so that a person can be erased.
CREATE TABLE journal_person (
  key text PRIMARY KEY,
  name text NOT NULL,
  email text
);

-- Down Migration

DROP TABLE journal_person;
DROP TABLE journal;
