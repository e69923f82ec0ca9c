-- When a run began to wait, or went on waiting: what was asked of Directum before is news to it.
ALTER TABLE wait ADD COLUMN saved_at timestamptz;
CREATE INDEX wait_saved ON wait (saved_at);
