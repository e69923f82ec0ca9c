-- Up Migration

-- What a run is about to write in Directum and has no line in the journal yet: after a crash between the write and its line
-- the next attempt finds nothing more to write, and knows from here what was written.
CREATE TABLE begun_change (
  run_id text NOT NULL REFERENCES run ON DELETE CASCADE,
  -- `document 5001`, `counterparty 17`, or of one that is to be made `counterparty COMPANY_44`.
  subject text NOT NULL,
  -- Names of the properties.
  fields jsonb NOT NULL,
  PRIMARY KEY (run_id, subject)
);

-- Down Migration

DROP TABLE begun_change;
