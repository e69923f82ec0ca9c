-- Up Migration

-- Calls of one robot that came together, in one row until runs are made of them: a burst costs one write, not hundreds.
CREATE TABLE crowd (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at timestamptz NOT NULL,
  calls text NOT NULL
);
-- Sealed texts do not shrink: compressing them would only cost the time that this table is there to save.
ALTER TABLE crowd ALTER COLUMN calls SET STORAGE EXTERNAL;

-- Down Migration

DROP TABLE crowd;
