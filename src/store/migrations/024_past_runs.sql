-- Up Migration

-- Runs that were deleted for their age. A call that comes again is known by the id of its run, which is a hash of portal and
-- event token.
CREATE TABLE past_run (
  id text PRIMARY KEY
);

-- The portal key of each portal with deleted runs, as the newest of them had it.
CREATE TABLE past_portal (
  member_id text PRIMARY KEY,
  portal text NOT NULL
);

-- Ended runs by their age; a step of the deletion begins where the one before it stopped.
CREATE INDEX run_ended ON run (ended_at, id) WHERE state = 'ended';

-- Which of these runs were deleted. A deletion takes its lock alone: so a call that comes at the same moment finds either
-- the run itself, or its id here, though the statement that asks began before the deletion ended. A function that is
-- volatile sees what was committed until it is called.
CREATE FUNCTION past_runs_of(ids text[]) RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('past runs', 0));
  RETURN array(SELECT id FROM past_run WHERE id = ANY(ids));
END $$;

-- Down Migration

DROP FUNCTION past_runs_of;
DROP INDEX run_ended;
DROP TABLE past_portal, past_run;
