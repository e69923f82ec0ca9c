-- Up Migration

-- One row: the night's comparison of deals with Directum, and how far it got. Who was killed in it is followed by another.
CREATE TABLE comparison (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  -- When it is due; null = none was planned yet.
  due_at timestamptz,
  -- The step that is being made is left to its process until then.
  held_until timestamptz NOT NULL DEFAULT '-infinity',
  after bigint NOT NULL DEFAULT 0,
  -- What was found up to there.
  documents integer NOT NULL DEFAULT 0,
  differences integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0
);
INSERT INTO comparison (due_at) SELECT nullif(reconcile_at, '-infinity') FROM watch;
ALTER TABLE watch DROP COLUMN reconcile_at;

-- Down Migration

ALTER TABLE watch ADD COLUMN reconcile_at timestamptz NOT NULL DEFAULT '-infinity';
UPDATE watch SET reconcile_at = coalesce((SELECT due_at FROM comparison), '-infinity');
DROP TABLE comparison;
