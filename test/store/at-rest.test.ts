import { expect, it } from 'vitest';
import { storeBench } from './bench.ts';

/**
 * What lies in the database, by the rule of docs/operations.md (What is sealed at rest). A new column has to choose.
 * `open`: ids, codes, states, hashes and counts, by which rows are found. `sealed`: what people wrote or are called, opened by
 * SECRET_KEYS only. `beside`: names of people, apart from what refers to them, so that they can be erased.
 */
const COLUMNS: Record<'open' | 'sealed' | 'beside', string> = {
  sealed: `assignment.seen cache_entry.value document.dates document.observed document_slot.shown failure.text former_crowd.calls
    keyv.value mirrored_task.wanted outbox.payload rule_table.rows run.call run.last_text run.outcome run_attempt.text wait.facts
    watched_document.shown`,
  beside: `journal_person.email journal_person.name`,
  open: `begun_change.fields begun_change.run_id begun_change.subject cache_entry.key counterparty_pair.crm_key
    counterparty_pair.portal counterparty_pair.type document.status document.status_since document_intent.external_id
    document_intent.run_id document_slot.file_sha256 document_slot.item_code document_slot.portal document_slot.slot
    document_slot.type document_slot.url failure.code failure.item_code failure.portal failure.robot failure.run_id failure.told
    feed.cursor feed.holder feed.name journal.actor journal.data journal.hash journal.item_code journal.key_id journal.portal
    journal.type journal_person.key keyv.key mirrored_task.item_code mirrored_task.portal mirrored_task.wanted_hash
    missing_document.look outbox.code outbox.dedupe_key outbox.item_code outbox.key outbox.kind outbox.lane outbox.last_error
    outbox.message outbox.portal outbox.recipient outbox.run_id outbox.series outbox.state past_portal.member_id
    past_portal.portal past_run.id portal_budget.member_id quarantine.feed quarantine.key quarantine.reason quarantine.version rule_table.name rule_table.portal
    run.ending run.holder run.id run.item_code run.last_code run.member_id run.portal run.robot run.state run_attempt.ending
    run_attempt.run_id saved_file.run_id saved_file.sha256 schema_migration.name wait.run_id wait.seen wait.task_status
    wait.wait_for watched_document.item_code watched_document.portal`,
};

it('each column that can hold a text is of a class, and no class names one that is not there', async () => {
  const bench = await storeBench();
  const store = await bench.open();
  const { rows } = await store.pool.query<{ name: string }>(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
     WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying', 'json', 'jsonb')`,
  );
  const classed = Object.values(COLUMNS).flatMap((names) => names.trim().split(/\s+/));
  expect(classed.toSorted()).toEqual(rows.map(({ name }) => name).toSorted());
  await bench.close();
}, 30_000);
