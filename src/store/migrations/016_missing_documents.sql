-- Up Migration

-- Documents that Directum did not show where it did before. A look that goes over all of them notes each and decides at its
-- end what counts as deleted (interface.md §2); `held`: it seems to be lost rights, and nothing follows from it.
CREATE TABLE missing_document (
  id bigint PRIMARY KEY,
  -- The look that noted it.
  look text NOT NULL,
  held boolean NOT NULL DEFAULT false
);
-- When one of those held was shown again.
ALTER TABLE watch ADD COLUMN rights_back_at timestamptz;

-- Down Migration

ALTER TABLE watch DROP COLUMN rights_back_at;
DROP TABLE missing_document;
