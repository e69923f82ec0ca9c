import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Directum } from '../../test/sandbox/directum/directum.ts';
import type { Portal } from '../../test/sandbox/portal/portal.ts';
import { runCommand } from './process.ts';
import { answerOf, type Say, until } from './waiting.ts';
import { APPROVE, CREATE, DOCUMENT, INVOICE_STAGE, WAIT, WON_STAGE } from './world.ts';

/** How many steps of the demo are here. */
export const PAPERS = 4;
const RULES = `default:
  - title: Предоплата по крупным сделкам
    robot: ${DOCUMENT}
    document_type: outgoing_invoice
    when: { opportunity: { from: 1000000 } }
    then: { document_kind: Счёт на предоплату }
  - title: Остальные счета
    robot: ${DOCUMENT}
    document_type: outgoing_invoice
    then: { document_kind: Счёт на оплату }
`;

interface Stage {
  portal: Portal;
  directum: Directum;
  settings: Record<string, string>;
  deal: number;
  contract: number;
  t: Say;
  /** Prints the next step. */
  step(text: string, ...details: string[]): void;
}

/**
 * What follows a signed contract: the deal is won and gets its act, an invoice whose kind a decision table chooses, and a
 * check that names what would stand in the way of a contract.
 */
export async function showPapers({
  portal,
  directum,
  settings,
  deal,
  contract,
  t,
  step,
}: Stage): Promise<void> {
  const inDirectum = t('in Directum', 'в Directum');
  const won = await portal.moveItem(2, deal, WON_STAGE);
  const act = await answerOf(portal, won, DOCUMENT, t);
  const id = Number(act['document_id']);
  if (Number(act['leading_id']) !== contract)
    throw new Error(t(`act ${id} is not of contract ${contract}`, `акт ${id} не по договору ${contract}`));
  step(
    t(
      `the deal is won: act ${id} of contract ${contract}`,
      `сделка выиграна: акт ${id} по договору ${contract}`,
    ),
    `${inDirectum}: ${directum.get('IContractStatements', id)['Name']}`,
    ...Object.entries(act).map(([key, value]) => `${key} = ${value}`),
  );

  const { task_id: task } = await answerOf(portal, won, APPROVE, t);
  directum.approve(Number(task));
  directum.sign(id);
  const signed = await answerOf(portal, won, WAIT, t);
  const fired = () => portal.triggerRuns.filter((run) => run.id === deal).map(({ code }) => code);
  await until(t('the triggers of the act did not fire', 'триггеры акта не сработали'), 20_000, async () =>
    fired().includes('directum_document_signed_us'),
  );
  const stage = portal.item(2, deal)['stageId'];
  if (stage !== WON_STAGE)
    throw new Error(t(`the act moved the deal to ${stage}`, `акт перевёл сделку на ${stage}`));
  step(
    t(
      'the act is approved and signed; its triggers are its own and move no deal that waits for its contract',
      'акт согласован и подписан; триггеры у него свои и не двигают сделку, которая ждёт договора',
    ),
    `${WAIT}: result = ${signed['result']}`,
    ...fired()
      .filter((code) => code.startsWith('directum_document_'))
      .map((code) => t(`trigger ${code} fired`, `сработал триггер ${code}`)),
  );

  const folder = await mkdtemp(join(tmpdir(), 'directum-robots-rules-'));
  try {
    const file = join(folder, 'rules.yaml');
    await writeFile(file, RULES);
    const { out, code } = await runCommand('rules', ['import', file, '--apply'], settings);
    if (code !== 0) throw new Error(out);
    const workflow = await portal.moveItem(2, deal, INVOICE_STAGE);
    const invoice = await answerOf(portal, workflow, DOCUMENT, t);
    const card = directum.get('IOutgoingInvoices', Number(invoice['document_id']));
    step(
      t(
        `invoice ${invoice['document_id']}: its kind is chosen by a decision table (rule = ${invoice['rule']})`,
        `счёт ${invoice['document_id']}: вид выбрала таблица решений (rule = ${invoice['rule']})`,
      ),
      ...out
        .trim()
        .split('\n')
        .map((line) => `> ${line}`),
      `${inDirectum}: ${card['Name']}, ${t('number', 'номер')} ${invoice['registration_number']}`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }

  const inputs = ['document_kind=Договор займа', 'vat_rate=сорок процентов', 'department=Отдел чудес'];
  const asked = [
    CREATE,
    '--item',
    `DEAL_${deal}`,
    '--input',
    'subject=Второй договор',
    '--input',
    'slot=second',
  ];
  const { out, code } = await runCommand(
    'check',
    [...asked, ...inputs.flatMap((input) => ['--input', input])],
    settings,
  );
  const problems = out.trim().split('\n');
  if (code !== 1 || problems.length !== 3) throw new Error(out);
  step(
    t(
      'npm run check names three problems at once, and nothing is written',
      'npm run check называет три неполадки сразу, ничего не записывая',
    ),
    ...problems.map((line) => `> ${line}`),
  );
}
