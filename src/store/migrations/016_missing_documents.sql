-- Up Migration

-- Documents that Directum did not show where it did before. A look that goes over all of them notes each and decides at its
-- end what counts as deleted (interface.md §2); `held`: it seems to be lost rights, and nothing follows from it.
CREATE TABLE missing_document (
  id bigint PRIMARY KEY,
  -- The look that noted it, and the round of that look in which it did first.
  look text NOT NULL,
  round integer,
  held boolean NOT NULL DEFAULT false
);
-- When one of those held was shown again, and how many rounds the hourly reading has begun.
ALTER TABLE watch ADD COLUMN rights_back_at timestamptz, ADD COLUMN sweep_round integer NOT NULL DEFAULT 0;

-- Down Migration

ALTER TABLE watch DROP COLUMN rights_back_at, DROP COLUMN sweep_round;
DROP TABLE missing_document;
