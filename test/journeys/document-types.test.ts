import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FurtherType, SETS, TYPES } from './document-sets.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';
import { inDatabase } from './stand-database.ts';

const CODE = 'directum_create_document';
const NEEDS_SUBJECT: FurtherType[] = ['supplementary_agreement', 'simple'];
const NEEDS_LEADING: FurtherType[] = ['act', 'supplementary_agreement', 'addendum'];

const leadingOf = (type: FurtherType) =>
  type === 'simple' ? null : type === 'incoming_invoice' ? 'Contract' : 'LeadingDocument';
const filled = (type: FurtherType) => (NEEDS_SUBJECT.includes(type) ? { subject: 'О поставке' } : {});

describe.each(['4.11', '4.3'] as const)('documents of all types in RX %s', (generation) => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await startStand({ directum: { generation } });
  });
  afterAll(() => stand.stop());
  beforeEach(() => {
    stand.portal.misbehave.reset();
    stand.directum.misbehave.reset();
  });

  const contract = (deal: number) =>
    runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка станка' });
  const create = (deal: number, type: FurtherType, properties: Record<string, unknown> = {}) =>
    runStep(stand, deal, CODE, { document_type: type, ...filled(type), ...properties });
  const key = (deal: number, slot: string) => `b24:${stand.portal.memberId}:DEAL_${deal}:${slot}`;
  const keyed = (one: Record<string, unknown>, wanted: string) =>
    one['ExternalId'] === wanted ||
    String(one['Note'] ?? '')
      .split('\n')
      .at(-1) === wanted;
  const madeOf = (type: FurtherType, deal: number, slot: string = type) =>
    stand.directum.all(SETS[type]).filter((one) => keyed(one, key(deal, slot)));
  const forget = () =>
    inDatabase(stand, async ({ query }) => {
      await query('DELETE FROM document_slot');
      await query('DELETE FROM document_intent');
    });

  describe.each(TYPES)('%s', (type) => {
    it('is made once under its own slot, and found again by its key when the store is lost', async () => {
      const { deal } = addDeal(stand);
      const head = await contract(deal);
      const first = await create(deal, type);
      expect(first).toMatchObject({ ok: 'Y', created: 'Y', error_code: '' });
      const [card] = madeOf(type, deal);
      const leading = leadingOf(type);
      if (leading !== null) {
        expect(card?.[leading]).toMatchObject({ Id: Number(head['document_id']) });
        expect(first['leading_id']).toBe(head['document_id']);
        expect(stand.directum.relations(Number(first['document_id']))).toHaveLength(1);
      }
      const second = await create(deal, type);
      expect(second).toMatchObject({ ok: 'Y', created: 'N', document_id: first['document_id'] });
      await forget();
      const third = await create(deal, type);
      expect(third).toMatchObject({ ok: 'Y', created: 'N', document_id: first['document_id'] });
      expect(third['leading_id']).toBe(first['leading_id']);
      expect(madeOf(type, deal)).toHaveLength(1);
    });

    it('is made anew only after its deletion in Directum', async () => {
      const { deal } = addDeal(stand);
      await contract(deal);
      const first = await create(deal, type);
      stand.directum.patch(SETS[type], Number(first['document_id']), { LifeCycleState: 'Obsolete' });
      expect(await create(deal, type)).toMatchObject({ created: 'N', document_id: first['document_id'] });
      stand.directum.remove(SETS[type], Number(first['document_id']));
      const again = await create(deal, type);
      expect(again).toMatchObject({ ok: 'Y', created: 'Y' });
      expect(again['document_id']).not.toBe(first['document_id']);
    });

    it('says so when it needs a contract and there is none, and is made without one when it does not', async () => {
      const { deal } = addDeal(stand);
      const outputs = await create(deal, type);
      if (!NEEDS_LEADING.includes(type)) {
        expect(outputs).toMatchObject({ ok: 'Y', created: 'Y', leading_id: '' });
        return;
      }
      expect(outputs).toMatchObject({ ok: 'N', error_code: 'document_not_found', document_id: '' });
      expect(outputs['error_text']).toContain('«Слот ведущего документа»');
      expect(madeOf(type, deal)).toHaveLength(0);
    });

    it('is made once although the answer of Directum was lost', async () => {
      const { deal } = addDeal(stand);
      await contract(deal);
      stand.directum.misbehave.next({
        verb: 'POST',
        path: new RegExp(`^${SETS[type]}$`),
        cutAfterEffect: true,
      });
      expect(await create(deal, type)).toMatchObject({ ok: 'Y', created: 'Y' });
      expect(madeOf(type, deal)).toHaveLength(1);
    });

    it('does not make a second document under the key of another type', async () => {
      const { deal } = addDeal(stand);
      await contract(deal);
      const other: FurtherType = type === 'act' ? 'addendum' : 'act';
      await create(deal, other, { slot: type });
      const refused = await create(deal, type);
      expect(refused).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
      expect(refused['error_text']).toContain('«Слот документа»');
      if (generation === '4.11') {
        await forget();
        expect(await create(deal, type)).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
      }
      expect(madeOf(type, deal)).toHaveLength(0);
    });

    it('goes to approval and waits for its signature by its slot and by its id', async () => {
      const { deal } = addDeal(stand);
      await contract(deal);
      const made = await create(deal, type);
      const approval = {
        approval_type: 'free',
        approvers: [`user_${stand.portal.item(2, deal)['assignedById']}`],
      };
      const started = await runStep(stand, deal, 'directum_start_approval', { slot: type, ...approval });
      expect(started).toMatchObject({ ok: 'Y', task_started: 'Y' });
      expect(
        await runStep(stand, deal, 'directum_start_approval', {
          document_id: made['document_id'],
          ...approval,
        }),
      ).toMatchObject({ ok: 'Y', task_started: 'N', task_id: started['task_id'] });
      stand.directum.sign(Number(made['document_id']));
      for (const named of [{ slot: type }, { document_id: made['document_id'] }])
        expect(await runStep(stand, deal, 'directum_wait_signature', named)).toMatchObject({
          ok: 'Y',
          result: 'signed',
          watched_document_id: made['document_id'],
        });
    });
  });
});
