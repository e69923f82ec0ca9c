-- Up Migration

-- What recurring or outgoing work could not process: it was put aside, and the work went on.
CREATE TABLE quarantine (
  -- Which work: documents, rescan, dates, deals, outbox.
  feed text NOT NULL,
  -- What was put aside, by ids and codes.
  key text NOT NULL,
  -- Why, without anybody's values.
  reason text NOT NULL,
  -- Of what it was then, to know when it has changed; null where that is not known.
  version text,
  since timestamptz NOT NULL,
  retry_at timestamptz NOT NULL,
  PRIMARY KEY (feed, key)
);
CREATE INDEX quarantine_retry ON quarantine (retry_at);

-- Down Migration

DROP TABLE quarantine;
