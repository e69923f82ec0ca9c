-- Up Migration

-- Shape of @keyv/postgres: values are encrypted before they come here.
CREATE TABLE keyv (
  key varchar(255) PRIMARY KEY,
  value text
);

CREATE TABLE cache_entry (
  key text PRIMARY KEY,
  value jsonb NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX cache_entry_expires ON cache_entry (expires_at);

-- Leaky bucket of a portal's REST budget; one row is shared by all processes.
CREATE TABLE portal_budget (
  member_id text PRIMARY KEY,
  level double precision NOT NULL,
  updated_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE counterparty_pair (
  portal text NOT NULL,
  crm_key text NOT NULL,
  directum_id bigint NOT NULL,
  type text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (portal, crm_key)
);

CREATE TABLE document_slot (
  portal text NOT NULL,
  item_code text NOT NULL,
  slot text NOT NULL CHECK (slot = lower(slot)),
  document_id bigint NOT NULL,
  url text NOT NULL,
  file_size bigint,
  file_sha256 text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (portal, item_code, slot)
);
CREATE INDEX document_slot_document ON document_slot (document_id);

-- Down Migration

DROP TABLE document_slot, counterparty_pair, portal_budget, cache_entry, keyv;
