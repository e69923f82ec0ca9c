import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDeal, lostCalls, runStep, type Stand, startStand } from './stand.ts';

/** Directum's tick is quick, so that what a deal shows comes soon. */
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
});
afterAll(() => stand.stop());

const NUL = '\0';
const HALF = '\ud83d';

/** A form as a hostile portal sends it: what JavaScript's own encoder would refuse or mend is sent all the same. */
function encode(form: Record<string, string>): string {
  const one = (text: string) =>
    [...text]
      .map((letter) => {
        const code = letter.codePointAt(0) as number;
        if (code < 0xd800 || code > 0xdfff) return encodeURIComponent(letter);
        return `%ED%${(0x80 | ((code >> 6) & 0x3f)).toString(16)}%${(0x80 | (code & 0x3f)).toString(16)}`;
      })
      .join('');
  return Object.entries(form)
    .map(([name, value]) => `${one(name)}=${one(value)}`)
    .join('&');
}

/** Sends a robot call with these properties, as a form or as JSON, and answers its outputs. */
async function call(code: string, properties: Record<string, string>, how: 'form' | 'json' = 'form') {
  const [lost] = await lostCalls(stand, 1, code, { subject: 'Поставка' });
  const { deal, workflow, form } = lost as NonNullable<typeof lost>;
  for (const [name, value] of Object.entries(properties)) form[`properties[${name}]`] = value;
  const json = () => {
    const { document_id, properties: inner, auth, ...rest } = nested(form);
    return JSON.stringify({ ...rest, document_id, properties: inner, auth });
  };
  const { status } = await fetch(`${stand.url}/bitrix24/robots/${code}`, {
    method: 'POST',
    headers: { 'content-type': how === 'form' ? 'application/x-www-form-urlencoded' : 'application/json' },
    body: how === 'form' ? encode(form) : json(),
  });
  expect(status).toBe(200);
  const step = await stand.portal.waitForStep(workflow, code, 15_000);
  return { deal, outputs: step.outputs as Record<string, string | number> };
}

function nested(form: Record<string, string>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(form)) {
    const [, head = name, key] = /^([^[]+)\[([^\]]*)\]$/.exec(name) ?? [];
    if (key === undefined) root[head] = value;
    else root[head] = { ...(root[head] as object | undefined), [key]: value };
  }
  return root;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('text that the database cannot hold', () => {
  it('in an amount, cut through an emoji, is answered', async () => {
    const { deal } = addDeal(stand);
    const made = await runStep(stand, deal, 'directum_create_contract', {
      subject: 'Поставка',
      amount: `${'а'.repeat(59)}🚀 и ещё`,
    });
    expect(made).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
    expect(String(made['error_text']).isWellFormed()).toBe(true);
  });

  it.each([
    ['NUL in a form', `Поставка${NUL}станка`, 'form'],
    ['NUL in JSON', `Поставка${NUL}станка`, 'json'],
    ['half a pair in a form', `Поставка ${HALF} станка`, 'form'],
    ['half a pair in JSON', `Поставка ${HALF} станка`, 'json'],
  ] as const)('%s as a subject makes a contract', async (_, subject, how) => {
    const { outputs } = await call('directum_create_contract', { subject }, how);
    expect(outputs).toMatchObject({ ok: 'Y' });
    expect(stand.directum.get('IContracts', Number(outputs['document_id']))).toMatchObject({
      Subject: expect.stringMatching(/^Поставка.+станка$/),
    });
  });

  it.each([`${NUL}`, HALF])('in an amount or a slot is answered (%j)', async (unkept) => {
    for (const field of ['amount', 'slot', 'responsible', 'valid_from', 'extra_fields', 'template'])
      expect(
        (await call('directum_create_contract', { [field]: `1${unkept}` }, 'json')).outputs,
      ).toMatchObject({
        ok: 'N',
      });
  });

  it('in the name of one contract stops no other', async () => {
    const deals = [addDeal(stand).deal, addDeal(stand).deal];
    const ids: number[] = [];
    for (const deal of deals) {
      const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
      ids.push(Number(made['document_id']));
    }
    const [first, second] = ids as [number, number];
    stand.directum.patch('IContracts', first, {
      Name: `Договор ${HALF}`,
      InternalApprovalState: 'OnApproval',
    });
    stand.directum.patch('IContracts', second, { InternalApprovalState: 'OnApproval' });
    const cards = (deal: number | undefined) =>
      JSON.stringify(stand.portal.activities(2, Number(deal)).map(({ layout }) => layout));
    await until(() => cards(deals[1]).includes('На согласовании'));
    await until(
      () => cards(deals[0]).includes('На согласовании') && cards(deals[0]).includes('Договор \ufffd'),
    );
    expect(second).toBeGreaterThan(first);
  });
});
