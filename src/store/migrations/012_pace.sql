-- Up Migration

-- When Directum may next be asked one of the questions that are many and urgent to nobody.
ALTER TABLE watch ADD COLUMN next_question_at timestamptz NOT NULL DEFAULT '-infinity';

-- Down Migration

ALTER TABLE watch DROP COLUMN next_question_at;
