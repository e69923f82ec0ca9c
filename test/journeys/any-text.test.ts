import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { robots } from '../../robots/index.ts';
import { anyText, encodeForm } from '../sandbox/any-text.ts';
import { addDeal, inn, lostCalls, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';

/** Directum is asked often, so that what a deal shows comes soon. */
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_FILE', 'file');
}, 20_000);
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const NUL = '\0';
const HALF = '\ud83d';
type Outputs = Record<string, string | number>;

/** Sends a robot call with these properties, as a form or as JSON, and answers its outputs. */
async function call(
  code: string,
  properties: Record<string, string>,
  how: 'form' | 'json' | 'bytes' = 'form',
): Promise<{ deal: number; outputs: Outputs }> {
  const [lost] = await lostCalls(stand, 1, code, { subject: 'Поставка' });
  const { deal, workflow, form } = lost as NonNullable<typeof lost>;
  for (const [name, value] of Object.entries(properties)) form[`properties[${name}]`] = value;
  const { status } = await fetch(`${stand.url}/bitrix24/robots/${code}`, {
    method: 'POST',
    headers: { 'content-type': how === 'json' ? 'application/json' : 'application/x-www-form-urlencoded' },
    body: {
      form: () => encodeForm(form),
      json: () => JSON.stringify(nested(form)),
      bytes: () => toBytes(encodeForm(form)),
    }[how](),
  });
  expect(status).toBe(200);
  const step = await stand.portal.waitForStep(workflow, code, 15_000);
  return { deal, outputs: step.outputs as Outputs };
}

/** The same form with NUL, and what is no UTF-8, as bare bytes. */
function toBytes(form: string): Uint8Array<ArrayBuffer> {
  const bare = form.replace(/%00|%ed%[ab].%../g, (escapes) => unescape(escapes));
  return new Uint8Array(Buffer.from(bare, 'latin1'));
}

function nested(form: Record<string, string>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(form)) {
    const [, head = name, key] = /^([^[]+)\[([^\]]*)\]$/.exec(name) ?? [];
    root[head] = key === undefined ? value : { ...(root[head] as object | undefined), [key]: value };
  }
  return root;
}

const create = (deal: number, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка', ...properties });

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const cards = (deal: number) => JSON.stringify(stand.portal.activities(2, deal).map(({ layout }) => layout));

/** An answer is one whatever it says; its texts are whole and short enough. */
function expectAnswer(outputs: Outputs): void {
  expect(outputs['ok']).toMatch(/^[YN]$/);
  expect(outputs['run_id']).toBeTruthy();
  const text = String(outputs['error_text']);
  expect(text === '').toBe(outputs['ok'] === 'Y');
  expect(text.length).toBeLessThanOrEqual(500);
  expect(outputs['error_code']).not.toBe('internal_error');
  for (const value of Object.values(outputs)) expect(String(value).isWellFormed()).toBe(true);
}

describe('text that the database cannot hold', () => {
  it('in an amount, cut through an emoji, is answered', async () => {
    const made = await create(addDeal(stand).deal, { amount: `${'а'.repeat(59)}🚀 и ещё` });
    expect(made).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
    expectAnswer(made);
  });

  it.each([
    ['NUL in a form', `Поставка${NUL}станка`, 'form'],
    ['NUL in JSON', `Поставка${NUL}станка`, 'json'],
    ['half a pair in a form', `Поставка ${HALF} станка`, 'form'],
    ['half a pair in JSON', `Поставка ${HALF} станка`, 'json'],
    ['bare bytes', `Поставка ${HALF}${NUL} станка`, 'bytes'],
  ] as const)('%s as a subject makes a contract', async (_, subject, how) => {
    const { outputs } = await call('directum_create_contract', { subject }, how);
    expect(outputs).toMatchObject({ ok: 'Y' });
    expect(stand.directum.get('IContracts', Number(outputs['document_id']))).toMatchObject({
      Subject: expect.stringMatching(/^Поставка.+станка$/),
    });
  });

  it.each([NUL, HALF])('in the name of a document kind (%j) still names it', async (lost) => {
    const [usual] = stand.directum.all('IDocumentKinds').filter(({ Name }) => Name === 'Договор');
    const { DocumentType, DocumentFlow } = usual as Record<string, unknown>;
    const Name = `Договор ${lost} особый ${lost.charCodeAt(0)}`;
    const id = stand.directum.add('IDocumentKinds', {
      ...{ Name, ShortName: 'Договор', DocumentFlow, DocumentType, NumberingType: 'NotNumerable' },
      ...{ GenerateDocumentName: false, IsDefault: false },
    });
    const { outputs } = await call('directum_create_contract', { document_kind: Name }, 'json');
    expect(outputs).toMatchObject({ ok: 'Y' });
    const made = stand.directum.get('IContracts', Number(outputs['document_id']));
    expect(made).toMatchObject({ DocumentKind: { Id: id } });
    stand.directum.remove('IDocumentKinds', id);
  });

  it('in an event token gives one run, however often it comes', async () => {
    const [lost] = await lostCalls(stand, 1, 'directum_create_contract', { subject: 'Поставка' });
    const { deal, form } = lost as NonNullable<typeof lost>;
    form['event_token'] += NUL;
    for (let time = 0; time < 2; time += 1) {
      const { status } = await fetch(`${stand.url}/bitrix24/robots/directum_create_contract`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: encodeForm(form),
      });
      expect(status).toBe(200);
    }
    // Runs of one item follow one another.
    await create(deal);
    const lines = stand.lines.filter((line) => line.includes(`"DEAL_${deal}"`));
    const runs = new Set(lines.flatMap((line) => /"runId":"(\w+)"/.exec(line)?.[1] ?? []));
    expect(runs.size).toBeLessThanOrEqual(2);
  });

  it('in the name of one contract stops no other', async () => {
    const [one, other] = [addDeal(stand).deal, addDeal(stand).deal];
    const [named, plain] = [await create(one), await create(other)];
    stand.directum.patch('IContracts', Number(named['document_id']), {
      Name: `Договор ${HALF}`,
      InternalApprovalState: 'OnApproval',
    });
    stand.directum.patch('IContracts', Number(plain['document_id']), { InternalApprovalState: 'OnApproval' });
    await until(() => cards(other).includes('На согласовании'));
    await until(() => cards(one).includes('На согласовании') && cards(one).includes('Договор \ufffd'));
  }, 30_000);
});

describe('any text', () => {
  it('in any input of any robot ends in an answer', async () => {
    const inputs = robots.flatMap(({ code, inputs: { shape } }) =>
      Object.keys(shape).map((name) => ({ code, name })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...inputs),
        anyText,
        anyText,
        fc.constantFrom('form' as const, 'json' as const, 'bytes' as const),
        async ({ code, name }, text, subject, how) => {
          const { outputs } = await call(code, { subject, [name]: text }, how);
          expectAnswer(outputs);
        },
      ),
      { numRuns: 40 },
    );
    expect(await create(addDeal(stand).deal)).toMatchObject({ ok: 'Y' });
  }, 120_000);

  it('in any other field of a call or an event is a refusal or a call like others', async () => {
    const [lost] = await lostCalls(stand, 1, 'directum_sync_counterparty', {});
    const { form } = lost as NonNullable<typeof lost>;
    const event = {
      event: 'ONCRMTIMELINEITEMACTION',
      'data[ID]': '1',
      'auth[member_id]': stand.portal.memberId,
    };
    const page = { AUTH_ID: 'x', member_id: stand.portal.memberId, PLACEMENT: 'DEFAULT', DOMAIN: 'y' };
    for (const [path, whole] of [
      ['robots/directum_sync_counterparty', form],
      ['events', event],
      [`install?LANG=%00&DOMAIN=%ED%A0%BD`, page],
    ] as const)
      for (const name of Object.keys(whole)) {
        const odd = {
          ...whole,
          [name]: `${whole[name as never]}${NUL}${HALF}`,
          [`${name}${HALF}[${NUL}]`]: NUL,
        };
        const { status } = await fetch(`${stand.url}/bitrix24/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: encodeForm(odd),
        });
        expect([200, 400, 403], `${path} ${name}`).toContain(status);
      }
    expect(await create(addDeal(stand).deal)).toMatchObject({ ok: 'Y' });
  });

  it('in any string of a deal, its company and its people ends in an answer', async () => {
    let seed = 1;
    const places = ['title', 'company', 'requisite', 'inn', 'user', 'email', 'comment'] as const;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), anyText, async (place, text) => {
        seed += 1;
        const own = { ...ROMASHKA, RQ_INN: inn(seed) };
        const requisite = {
          requisite: { ...own, RQ_COMPANY_NAME: text, RQ_COMPANY_FULL_NAME: text },
          inn: { ...ROMASHKA, RQ_INN: text },
        };
        const { deal, company, user } = addDeal(stand, {
          requisite: place in requisite ? requisite[place as 'inn'] : own,
          ...(place === 'title' && { deal: { title: text } }),
          ...(place === 'email' && { email: text }),
        });
        if (place === 'company') stand.portal.setItem(4, company, { title: text });
        const person = stand.portal.world.users.get(user);
        if (place === 'user') Object.assign(person ?? {}, { NAME: text, LAST_NAME: text });
        expectAnswer(await create(deal));
      }),
      { numRuns: 25 },
    );
    expect(await create(addDeal(stand).deal)).toMatchObject({ ok: 'Y' });
  }, 120_000);

  it('in a refusal of either platform ends in an answer', async () => {
    const shapes = fc.constantFrom<(text: string) => string | object>(
      (text) => ({ error: { code: '', message: text } }),
      (text) => ({ error: text, error_description: text }),
      (text) => ({ error: { message: { value: text } } }),
      (text) => text,
    );
    await fc.assert(
      fc.asyncProperty(fc.boolean(), shapes, anyText, async (ofPortal, shape, text) => {
        if (ofPortal) stand.portal.misbehave.next({ status: 400, body: shape(text) });
        else
          stand.directum.misbehave.next({ verb: 'POST', path: 'IContracts', status: 400, body: shape(text) });
        expectAnswer(await create(addDeal(stand).deal));
        stand.portal.misbehave.reset();
        stand.directum.misbehave.reset();
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('in any string of watched documents stops neither them nor their neighbour', async () => {
    const places = ['Name', 'ExchangeState', 'RegistrationNumber', 'Subject', 'ActiveText', 'Performer'];
    const watched: { deal: number; id: number; task: number }[] = [];
    for (const _ of [...places, 'neighbour']) {
      const { deal } = addDeal(stand);
      const id = Number((await create(deal))['document_id']);
      const { task_id } = await runStep(stand, deal, 'directum_start_approval', {});
      watched.push({ deal, id, task: Number(task_id) });
    }
    await until(() => watched.every(({ deal }) => cards(deal).includes('огласован')));
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.tuple(...places.map(() => anyText)), async (texts) => {
        round += 1;
        for (const [at, { id, task }] of watched.entries()) {
          const [place = '', text] = [places[at], texts[at]];
          const fields = { RegistrationNumber: `№ ${round}`, ...(at < 3 && { [place]: text }) };
          stand.directum.patch('IContracts', id, fields);
          for (const row of stand.directum
            .all('IAssignments')
            .filter((one) => one['MainTask']?.Id === task)) {
            if (at === 3 || at === 4) stand.directum.patch('IAssignments', row['Id'], { [place]: text });
            if (at === 5) stand.directum.patch('IEmployees', row['Performer'].Id, { Name: text });
          }
        }
        await until(() => watched.every(({ deal }, at) => at === 2 || cards(deal).includes(`№ ${round}`)));
      }),
      { numRuns: 6 },
    );
  }, 120_000);
});

describe('what is long', () => {
  it('keeps the extension of a file', async () => {
    const { deal } = addDeal(stand);
    stand.portal.addFile(2, deal, 'UF_CRM_FILE', `${'договор '.repeat(26)}.docx`, Buffer.from('text'));
    const made = await create(deal, { file_field: 'UF_CRM_FILE' });
    expect(made).toMatchObject({ ok: 'Y' });
    expect(stand.directum.versions(Number(made['document_id']))).toMatchObject([{ extension: 'docx' }]);
  });

  it.each(['file_field', 'document_kind', 'extra_fields', 'slot', 'template', 'category'])(
    'in %s leaves room for what to do about it',
    async (name) => {
      const made = await create(addDeal(stand).deal, { [name]: '»«длинное. '.repeat(5_000) });
      expect(made).toMatchObject({ ok: 'N' });
      expectAnswer(made);
      const short = await create(addDeal(stand).deal, { [name]: 'коротко' });
      const advice = (one: Outputs) => String(one['error_text']).split('»').at(-1)?.slice(-40);
      expect(advice(made)).toBe(advice(short));
    },
  );

  it('leaves the link of the deal in the note of its contract', async () => {
    const { deal } = addDeal(stand, { deal: { title: 'Сделка 🚀'.repeat(300) } });
    const made = await create(deal);
    const { Note } = stand.directum.get('IContracts', Number(made['document_id'])) as { Note: string };
    expect(Note.length).toBeLessThanOrEqual(1_000);
    expect(Note).toMatch(new RegExp(`/crm/deal/details/${deal}/$`));
  });
});
