-- Up Migration

-- How often the run was taken up: with its holder it names one attempt, so that none writes over another's.
ALTER TABLE run ADD COLUMN takes integer NOT NULL DEFAULT 0,
  -- Attempts since the last written outcome: those that could not be brought to one, and those whose process said nothing more.
  ADD COLUMN lost integer NOT NULL DEFAULT 0,
  ADD COLUMN abandoned integer NOT NULL DEFAULT 0;

-- What is open of a portal, however many runs have ended: asked for by /metrics, by waits and by a removal.
CREATE INDEX run_open ON run (member_id, received_at) WHERE state <> 'ended';

-- Down Migration

DROP INDEX run_open;
ALTER TABLE run DROP COLUMN takes, DROP COLUMN lost, DROP COLUMN abandoned;
