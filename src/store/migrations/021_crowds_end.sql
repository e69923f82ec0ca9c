-- Up Migration

-- Calls come as runs only. Those that still stand here are sealed, so the start of the service makes runs of them
-- (former-crowds.ts). Under another name nothing is added to them: a process of the version before, which may still be at
-- work beside this one, keeps such calls in its spool.
ALTER TABLE crowd DROP COLUMN received_at;
ALTER TABLE crowd RENAME TO former_crowd;

-- Down Migration

ALTER TABLE former_crowd RENAME TO crowd;
ALTER TABLE crowd ADD COLUMN received_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE crowd ALTER COLUMN received_at DROP DEFAULT;
