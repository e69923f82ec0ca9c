-- Up Migration

-- The portal has accepted the signature of the call's event token: until then a run has no effect in either system.
ALTER TABLE run ADD COLUMN proven boolean NOT NULL DEFAULT false;

-- Down Migration

ALTER TABLE run DROP COLUMN proven;
