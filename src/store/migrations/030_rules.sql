-- Up Migration

-- Decision tables of a portal (docs/architecture.md), by its portal key.
CREATE TABLE rule_table (
  portal text NOT NULL,
  name text NOT NULL,
  -- Its rows, sealed: they may hold names of people and terms of business.
  rows text NOT NULL,
  PRIMARY KEY (portal, name)
);

-- Down Migration

DROP TABLE rule_table;
