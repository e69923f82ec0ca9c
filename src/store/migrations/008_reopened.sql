-- Up Migration

-- When an operator ordered the run again: its wait has its whole time from then.
ALTER TABLE run ADD COLUMN reopened_at timestamptz;

-- Down Migration

ALTER TABLE run DROP COLUMN reopened_at;
