-- Up Migration

-- One row: the latest moments that were seen on the clocks by which rows are due, to know when one of them was set back.
CREATE TABLE clock (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  -- By the clocks of our processes.
  process_at timestamptz NOT NULL DEFAULT '-infinity',
  -- By the database's own, which also tells how old the row is.
  database_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO clock DEFAULT VALUES;

-- Down Migration

DROP TABLE clock;
