import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_CONTRACT_KIND: 'Договор' } });
});
afterAll(() => stand.stop());

const CREATE = 'directum_create_contract';
const SYNC = 'directum_sync_counterparty';
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

/** Rows of the table that a check prints: value and source by title. */
function rowsOf(out: string): Record<string, string[]> {
  const cells = out.split('\n').map((line) => line.trim().split(/ {2,}/));
  return Object.fromEntries(cells.map(([title = '', ...rest]) => [title, rest]));
}

it('tells a setting, a decision table, the responsible and a leading document as sources, with names beside ids', async () => {
  const { deal } = addDeal(stand, { email: 'nobody@acme.example' });
  const file = join(stand.dataDir, 'rules.yaml');
  await writeFile(file, 'Закупки:\n  - then: { vat_rate: "20", subject: Из таблицы }\n');
  expect(await runCommand('rules', ['import', file, '--apply'], stand.env)).toMatchObject({ code: 0 });
  const settings = { DIRECTUM_RESPONSIBLE: 'ivanov@acme.example', LANG: 'ru_RU.UTF-8' };
  const env = { ...stand.env, ...settings };
  const { user } = addDeal(stand);
  const input = ['--input', 'rules=Закупки', '--input', `our_signatory=user_${user}`];
  const { code, out } = await runCommand('check', [CREATE, '--item', `DEAL_${deal}`, ...input], env);
  expect(code, out).toBe(0);
  const rows = rowsOf(out);
  expect(rows['Содержание']).toEqual(['Из таблицы', 'таблица правил Закупки: 1']);
  expect(rows['Ставка НДС']).toEqual([expect.stringMatching(/^20.* \(\d+\)$/), 'таблица правил Закупки: 1']);
  expect(rows['Ответственный']).toEqual([expect.stringMatching(/^Иванов.* \(\d+\)$/), 'настройка']);
  expect(rows['Подписант с нашей стороны']).toEqual([expect.stringMatching(/ \(\d+\)$/), 'поле робота']);
  expect(rows['Наша организация']).toEqual([expect.stringMatching(/^\D.* \(\d+\)$/), 'ответственный']);
  expect(rows['Подразделение']).toEqual([expect.stringMatching(/^\D.* \(\d+\)$/), 'ответственный']);
  expect(rows['Контрагент']).toEqual(['Ромашка', 'сделка']);

  const { deal: other } = addDeal(stand);
  await runStep(stand, other, CREATE, { subject: 'Поставка' });
  const act = await check(
    'directum_create_document',
    '--item',
    String(other),
    '--input',
    'document_type=act',
  );
  expect(act.code, act.out).toBe(0);
  const ofAct = rowsOf(act.out);
  expect(ofAct['Counterparty']).toEqual([expect.stringMatching(/^ООО Ромашка \(\d+\)$/), 'leading document']);
  expect(ofAct['Own company']).toEqual([expect.stringMatching(/^\D.* \(\d+\)$/), 'leading document']);
  expect(ofAct['Id of the leading document']?.[0]).toMatch(/^\D.* \(\d+\)$/);
  expect(ofAct['Document kind']?.[1]).toBe('Directum');
});

it('prints what a counterparty would be made or filled with', async () => {
  const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(77) } });
  stand.directum.misbehave.refuseWrites = true;
  const { code, out } = await check(SYNC, '--item', String(deal));
  expect(code, out).toBe(0);
  expect(rowsOf(out)).toMatchObject({
    TIN: [inn(77), 'company or contact'],
    Name: ['ООО Ромашка', 'company or contact'],
  });
  stand.directum.misbehave.reset();
  await runStep(stand, deal, SYNC, {});
  const again = rowsOf((await check(SYNC, '--item', String(deal))).out);
  expect(again['TIN']).toBeUndefined();
  expect(again['Counterparty id']?.[1]).toBe('found');
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

it('looks at the other inputs although the item is gone', async () => {
  const { deal } = addDeal(stand);
  stand.portal.removeItem(2, deal);
  const { code, out } = await check(
    ...[CREATE, '--item', String(deal), '--input', 'subject=Поставка', '--input', 'document_kind=Нет'],
  );
  expect(code).toBe(1);
  const lines = out.trim().split('\n');
  expect(lines.map((line) => line.split(':')[0])).toEqual(['item_not_found', 'reference_not_found']);
});

it('refuses what it does not know', async () => {
  expect(await check('directum_wait_signature', '--item', '1')).toMatchObject({ code: 1 });
  expect((await check(CREATE)).err).toContain('--item');
  expect((await check(CREATE, '--item', '1', '--input', 'nosuch=1')).err).toContain('nosuch');
  expect((await check(CREATE, '--item', 'SHOP_1')).err).toContain('--item');
  expect(await check('--help')).toMatchObject({ code: 0 });
});
