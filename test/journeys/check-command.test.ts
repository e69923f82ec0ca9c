import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { addDeal, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_CONTRACT_KIND: 'Договор' } });
});
afterAll(() => stand.stop());

const CREATE = 'directum_create_contract';
const check = (...args: string[]) => runCommand('check', args, { ...stand.env, LANG: 'en_US.UTF-8' });

it('prints what a contract would be made with and where each value comes from', async () => {
  const { deal } = addDeal(stand);
  stand.directum.misbehave.refuseWrites = true;
  const { code, out } = await check(CREATE, '--item', `DEAL_${deal}`, '--input', 'subject=Поставка = станка');
  expect(code).toBe(0);
  expect(out).toMatch(/^Subject +Поставка = станка +input$/m);
  expect(out).toMatch(/^Document kind +Договор \(\d+\) +setting$/m);
  expect(out).toMatch(/^Amount +1200000\.5 .+ deal$/m);
  expect(out).toMatch(/^Responsible +.+ \(\d+\) +deal$/m);
  expect(out).toMatch(/^Counterparty +Ромашка +deal$/m);
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
  stand.directum.misbehave.reset();
});

it('prints every problem and ends with 1', async () => {
  const { deal } = addDeal(stand, { requisite: null });
  const { code, out } = await check(
    ...[CREATE, '--item', String(deal), '--input', 'vat_rate=сорок', '--input', 'document_kind=Нет'],
  );
  expect(code).toBe(1);
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
  ).toEqual(['input_missing', 'reference_not_found', 'reference_not_found', 'requisites_invalid']);
});

it('refuses what it does not know', async () => {
  expect(await check('directum_wait_signature', '--item', '1')).toMatchObject({ code: 1 });
  expect((await check(CREATE)).err).toContain('--item');
  expect((await check(CREATE, '--item', '1', '--input', 'nosuch=1')).err).toContain('nosuch');
  expect((await check(CREATE, '--item', 'SHOP_1')).err).toContain('--item');
  expect(await check('--help')).toMatchObject({ code: 0 });
});
