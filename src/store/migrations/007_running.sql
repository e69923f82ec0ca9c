-- Up Migration

-- A run is worked on by whoever holds it until its lease ends; one run at a time per CRM item, in all processes.
ALTER TABLE run DROP CONSTRAINT run_state_check;
UPDATE run SET state = 'accepted' WHERE state = 'queued';
ALTER TABLE run ADD CONSTRAINT run_state_check CHECK (state IN ('accepted', 'running', 'waiting', 'ended'));
ALTER TABLE run ADD COLUMN holder text, ADD COLUMN lease_until timestamptz;
CREATE UNIQUE INDEX run_one_per_item ON run (portal, item_code) WHERE state = 'running';
DROP INDEX run_accepted;
-- Each portal's robot has a line of its own, so that a storm in one does not hold up the others.
CREATE INDEX run_due ON run (member_id, robot, next_at) WHERE state = 'accepted';
DROP INDEX answer_due;
CREATE INDEX answer_due ON answer (member_id, number, due_at) WHERE state = 'due';
DROP SCHEMA IF EXISTS pgboss CASCADE;

-- Down Migration

DROP INDEX answer_due;
CREATE INDEX answer_due ON answer (due_at) WHERE state = 'due';
DROP INDEX run_due, run_one_per_item;
CREATE INDEX run_accepted ON run (next_at) WHERE state = 'accepted';
ALTER TABLE run DROP CONSTRAINT run_state_check;
UPDATE run SET state = 'accepted' WHERE state = 'running';
ALTER TABLE run DROP COLUMN holder, DROP COLUMN lease_until;
ALTER TABLE run ADD CONSTRAINT run_state_check CHECK (state IN ('accepted', 'queued', 'waiting', 'ended'));
