-- Content is sealed (docs/operations.md, What is sealed at rest): such a column then holds a JSON string. By these indexes
-- what an earlier version wrote as it was is found, and they are empty once all of it is sealed.
CREATE INDEX document_unsealed ON document (id)
  WHERE jsonb_typeof(observed) = 'object' OR jsonb_typeof(dates) = 'object';
CREATE INDEX assignment_unsealed ON assignment (id) WHERE jsonb_typeof(seen) = 'object';
CREATE INDEX watched_document_unsealed ON watched_document (document_id, portal, item_code)
  WHERE jsonb_typeof(shown) = 'object';
CREATE INDEX document_slot_unsealed ON document_slot (portal, item_code, slot) WHERE jsonb_typeof(shown) = 'object';
CREATE INDEX wait_unsealed ON wait (run_id) WHERE jsonb_typeof(facts) = 'object';
CREATE INDEX run_unsealed ON run (id)
  WHERE jsonb_typeof(last_text) = 'object' OR jsonb_typeof(outcome) = 'object';
CREATE INDEX run_attempt_unsealed ON run_attempt (run_id, number) WHERE jsonb_typeof(text) = 'object';
CREATE INDEX failure_unsealed ON failure (id) WHERE jsonb_typeof(text) = 'object';
-- Its keys were what was looked for, such as an e-mail; without it everything is asked for again.
DELETE FROM cache_entry;
