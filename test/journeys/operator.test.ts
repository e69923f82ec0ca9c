import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inDatabase } from '../sandbox/in-database.ts';
import { freePort } from '../sandbox/package-settings.ts';
import { runCommand, runProcess } from './command.ts';
import { addDeal, CLIENT, DIRECTUM, runStep, type Stand, startStand, startTask } from './stand.ts';

/** The stand of most tests; what one of them brought about is undone behind it. */
let shared: Stand;
let stand: Stand;
beforeAll(async () => {
  // What the doctor says of the embedded database.
  shared = await startStand({ embedded: true });
});
afterAll(() => shared.stop());
afterEach(async () => {
  shared.portal.misbehave.reset();
  shared.directum.misbehave.reset();
  if (stand !== shared) await stand.stop();
});

const CODE = 'directum_create_contract';

const command = (name: 'doctor' | 'runs', args: string[], env: Record<string, string> = {}) =>
  runCommand(name, args, { ...stand.env, ...env });

type Line = { check: string; ok: boolean; text: string };

async function doctor(env: Record<string, string> = {}) {
  const { code, out, err } = await command('doctor', ['--json'], env);
  expect(err).toBe('');
  for (const secret of [CLIENT.clientSecret, DIRECTUM.password, 'canary-wrong'])
    expect(out).not.toContain(secret);
  const lines = JSON.parse(out) as Line[];
  return { code, lines, failed: lines.filter(({ ok }) => !ok).map(({ check }) => check) };
}

const host = () => new URL(stand.portal.url).host;
const textOf = (lines: Line[], check: string) => lines.find((line) => line.check === check)?.text;

describe('doctor', () => {
  it('finds a healthy installation healthy, one line a check', async () => {
    stand = shared;
    const { code, out, err } = await runProcess('doctor', [], stand.env);
    expect({ code, err, sick: out.match(/^✗.*$/gm) }).toEqual({ code: 0, err: '', sick: null });
    expect(out).toMatch(/^(✓ .+: .+\n)+$/);
    expect(out).toContain('✓ database: embedded PostgreSQL');
    expect(out).toContain(`✓ portal ${host()} installer: the installer is an administrator`);
    expect(out).toContain('CreateApprovalTask yes, CreateVersionFromTemplate yes, CreateDocumentFlowTask');
    expect(out).toContain('department «Отдел продаж», own company «ООО «Альфа»»');
    expect(out).toMatch(/✓ DIRECTUM_CONTRACT_KIND: «Договор»/);
    expect(out).not.toContain(CLIENT.clientSecret);
    expect(out).not.toContain(DIRECTUM.password);
  });

  it('says that Directum is away, and still checks the rest', async () => {
    stand = shared;
    stand.directum.misbehave.down = true;
    const { code, lines, failed } = await doctor();
    expect(code).toBe(1);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every((check) => /^directum|^DIRECTUM_/.test(check))).toBe(true);
    expect(textOf(lines, 'directum')).toContain('Directum does not answer');
    expect(lines.filter(({ check, ok }) => ok && check.startsWith('portal '))).toHaveLength(8);
  });

  it('tries a wrong password once', async () => {
    stand = shared;
    const asked = stand.directum.journal.length;
    const { code, lines } = await doctor({ DIRECTUM_PASSWORD: 'canary-wrong-password' });
    expect(code).toBe(1);
    expect(textOf(lines, 'directum')).toContain('DIRECTUM_PASSWORD');
    expect(lines.find(({ check }) => check === 'directum clock')?.ok).toBe(true);
    expect(textOf(lines, 'directum account')).toContain('Not checked');
    // The other 401 is the clock's question, which names no account.
    const refused = stand.directum.journal.slice(asked).filter(({ status }) => status === 401);
    expect(refused).toHaveLength(2);
  });

  it('tells a missing employee, an unknown kind and lost scopes apart', async () => {
    stand = await startStand({ directum: { employeeless: true } });
    stand.portal.misbehave.removeScopes('im');
    stand.portal.misbehave.expireAccessTokens();
    const { code, lines, failed } = await doctor({
      DIRECTUM_CONTRACT_KIND: 'Нет такого',
    });
    expect(code).toBe(1);
    expect(failed).toEqual([`portal ${host()} scopes`, 'directum account', 'DIRECTUM_CONTRACT_KIND']);
    expect(textOf(lines, `portal ${host()} scopes`)).toContain('im');
  });

  it('sees a plan without robots, and robots that are not as declared', async () => {
    stand = shared;
    const other = await doctor({ PUBLIC_URL: 'http://127.0.0.1:9' });
    expect(other.failed).toEqual(['public url', `portal ${host()} robots`]);
    expect(textOf(other.lines, 'public url')).toContain('The service runs on this machine');
    expect(textOf(other.lines, `portal ${host()} robots`)).toContain('npm run register -- --apply');
    stand.portal.misbehave.missingMethods.add('bizproc.robot.list');
    const { failed, lines } = await doctor();
    expect(failed).toEqual(['plan', 'robots', 'triggers', 'fields'].map((one) => `portal ${host()} ${one}`));
    expect(textOf(lines, `portal ${host()} plan`)).toContain(
      'The plan of the portal has no automation rules',
    );
  });

  it('says what to do when nothing is installed and the service stands still', async () => {
    stand = await startStand({ install: false });
    await stand.pause();
    const { code, lines, failed } = await doctor();
    expect({ code, failed }).toEqual({ code: 1, failed: ['public url', 'portals'] });
    expect(textOf(lines, 'public url')).toContain('npm start');
    expect(textOf(lines, 'portals')).toContain(`${stand.url}/bitrix24/install`);
  });

  it('speaks the language of LANG to people, and one list of names to programs', async () => {
    stand = shared;
    const russian = await runProcess('doctor', [], { ...stand.env, LANG: 'ru_RU.UTF-8' });
    expect(russian).toMatchObject({ code: 0, err: '' });
    expect(russian.out).toContain('✓ база данных: встроенный PostgreSQL');
    expect(russian.out).toContain(`✓ портал ${host()}, роботы: как объявлено: `);
    for (const line of russian.out.trim().split('\n')) expect(line).toMatch(/[а-яё]/i);
    const names = async (LANG: string) => (await doctor({ LANG })).lines.map(({ check }) => check);
    expect(await names('ru_RU.UTF-8')).toEqual(await names('en_US.UTF-8'));
  });

  it('asks from outside only what a proxy passes to the service', async () => {
    stand = shared;
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      const path = request.url ?? '';
      asked.push(path);
      if (!path.startsWith('/bitrix24/')) return void response.writeHead(403).end('closed');
      fetch(stand.url + path).then(
        ({ status }) => response.writeHead(status).end(),
        () => response.writeHead(502).end(),
      );
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const PUBLIC_URL = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const { lines } = await doctor({ PUBLIC_URL });
    expect(textOf(lines, 'public url')).toBe(`${PUBLIC_URL} answers`);
    expect(asked).toEqual(['/bitrix24/']);
    // The control: another program at the address is not taken for the service.
    proxy.removeAllListeners('request').on('request', (_, response) => void response.end('<html>'));
    const other = await doctor({ PUBLIC_URL });
    expect(textOf(other.lines, 'public url')).toContain('PUBLIC_URL: ');
    expect(textOf(other.lines, 'public url')).toContain('another program answers');
    proxy.close();
    proxy.closeAllConnections();
  });

  it('names setting and address of whoever does not answer', async () => {
    stand = shared;
    const nobody = `127.0.0.1:${await freePort()}`;
    const away = { DIRECTUM_URL: `http://${nobody}/odata/`, PUBLIC_URL: `http://${nobody}` };
    const { lines } = await doctor(away);
    const directum = textOf(lines, 'directum');
    expect(directum).toContain(`DIRECTUM_URL: Directum does not answer at ${nobody}: nothing listens there`);
    expect(textOf(lines, 'directum clock')).toContain(nobody);
    expect(textOf(lines, 'public url')).toContain(`PUBLIC_URL: http://${nobody}/bitrix24/: nothing listens`);
    expect(JSON.stringify(lines)).not.toMatch(/TypeError|fetch failed|undefined|\[object/);
  });

  it('sees triggers and fields that are missing in the portal', async () => {
    stand = shared;
    const { triggers } = stand.portal.world;
    const due = triggers.get('directum_due');
    triggers.delete('directum_due');
    const [status, ...others] = stand.portal.world.userFields;
    stand.portal.world.userFields = others;
    const { failed, lines } = await doctor();
    stand.portal.world.userFields = [status as (typeof others)[number], ...others];
    if (due !== undefined) triggers.set('directum_due', due);
    expect(failed).toEqual([`portal ${host()} triggers`, `portal ${host()} fields`]);
    expect(textOf(lines, `portal ${host()} triggers`)).toContain('+ directum_due');
    expect(textOf(lines, `portal ${host()} fields`)).toContain('+ UF_CRM_DIRECTUM_STATUS');
    stand.portal.misbehave.missingMethods.add('crm.automation.trigger.list');
    expect((await doctor()).failed).toEqual([]);
  });

  it('tells by what is read whether the account has rights to tasks and assignments', async () => {
    stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
    const nothingYet = await doctor();
    expect(nothingYet.failed).toEqual([]);
    expect(textOf(nothingYet.lines, 'directum tasks')).toContain('no tasks yet');
    stand.directum.misbehave.next({ verb: 'GET', path: /^ITasks/, status: 403, times: 100 });
    const refused = await doctor();
    stand.directum.misbehave.reset();
    expect(refused.failed).toEqual(['directum tasks']);
    expect(textOf(refused.lines, 'directum tasks')).toContain('The account may read no tasks');

    const { deal } = addDeal(stand);
    const made = await runStep(stand, deal, CODE, { subject: 'Права', template: 'Типовой договор' });
    await startTask(stand, Number(made['document_id']));
    const seen = () => doctor().then(({ lines }) => textOf(lines, 'directum assignments'));
    expect(await seen()).toBe('assignments can be read');
    const known = () => stand.lines.some((line) => line.includes('"status":"on_approval"'));
    await expect.poll(known, { timeout: 20_000 }).toBe(true);
    // Rows without a right to them are absent from lists.
    const empty = { body: { value: [] }, status: 200, times: 100 };
    stand.directum.misbehave.next({ verb: 'GET', path: /^IAssignments/, ...empty });
    const hidden = await doctor();
    expect(hidden.failed).toEqual(['directum assignments']);
    expect(textOf(hidden.lines, 'directum assignments')).toMatch(
      /may read no assignments \(\d+ was read before\)/,
    );
  }, 60_000);

  it('says that a passphrase is too short for a backup', async () => {
    stand = shared;
    const { failed, lines } = await doctor({ BACKUP_PASSPHRASE: 'canary-wrong' });
    expect({ failed, text: textOf(lines, 'backup passphrase') }).toEqual({ failed: [], text: 'long enough' });
    const short = await doctor({ BACKUP_PASSPHRASE: 'canary-wron' });
    expect(short.failed).toEqual(['backup passphrase']);
    expect(textOf(short.lines, 'backup passphrase')).toContain('shorter than 12 characters');
  });

  it('stops at bad settings like every command, and a program gets its list all the same', async () => {
    stand = shared;
    const { code, out, err } = await command('doctor', ['--json'], {
      BITRIX24_RATE: 'canary',
      DIRECTUM_X: 'y',
    });
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual([
      { check: 'settings', ok: false, text: 'Mend DIRECTUM_X, BITRIX24_RATE: nothing else was checked.' },
    ]);
    expect(err).toMatch(/^The settings cannot be used:\n {2}- DIRECTUM_X: .+\n {2}- BITRIX24_RATE: .+\n$/);
  });

  it('does not take another key for the right one', async () => {
    stand = shared;
    const { lines, failed } = await doctor({ SECRET_KEYS: `k9:${Buffer.alloc(32, 7).toString('base64')}` });
    expect(failed).toEqual(['keys', 'portals', 'directum documents']);
    expect(textOf(lines, 'keys')).toContain('Stored values cannot be opened');
  });
});

/** A step that is waiting, with the name of its run. */
async function waiting(properties: Record<string, string>) {
  const { deal } = addDeal(stand);
  const stage = `C1:O${deal}`;
  stand.portal.placeRobot(stage, CODE, properties);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  let id = '';
  await expect
    .poll(
      async () => {
        const { out } = await command('runs', ['list', '--item', `deal_${deal}`]);
        id = /^([0-9a-f]{24}) /m.exec(out)?.[1] ?? '';
        return id;
      },
      { timeout: 15_000 },
    )
    .not.toBe('');
  return { deal, id, workflow };
}

describe('runs', () => {
  it('says how many there are beyond those shown, of any item by its number, by the clock of TIME_ZONE', async () => {
    stand = shared;
    const { deal } = addDeal(stand);
    for (const subject of ['Раз', 'Два', 'Три']) await runStep(stand, deal, CODE, { subject });
    const env = { TIME_ZONE: 'Asia/Vladivostok' };
    const two = await command('runs', ['list', '--item', String(deal), '--limit', '2'], env);
    const lines = two.out.trim().split('\n');
    expect({ code: two.code, err: two.err, count: lines.length }).toEqual({ code: 0, err: '', count: 4 });
    expect(lines.at(-1)).toBe('and 1 more; --limit 3 shows them');
    for (const line of lines.slice(1, 3))
      expect(line).toMatch(new RegExp(`\\+10:00 +${CODE} +DEAL_${deal} `));
    const all = await runProcess('runs', ['list', '--item', `deal_${deal}`], { ...stand.env, LANG: 'ru_RU' });
    expect(all.out.trim().split('\n')).toHaveLength(4);
    expect(all.out).toMatch(/^RUN_ID +ВРЕМЯ +РОБОТ /);
    for (const args of [
      ['list', '--limit', '0'],
      ['list', '--limit', 'many'],
      ['list', '--item', 'the deal'],
      ['list', '--item'],
    ]) {
      const { code, out, err } = await command('runs', args);
      expect({ args, code, out, err }).toEqual({
        args,
        code: 1,
        out: '',
        err: expect.stringContaining(args[1] as string),
      });
    }
  });

  it('lists and shows runs without what the step sent', async () => {
    stand = shared;
    const { deal } = addDeal(stand);
    const good = await runStep(stand, deal, CODE, { subject: 'canary-subject' });
    const other = addDeal(stand).deal;
    const bad = await runStep(stand, other, CODE, { subject: 'Поставка', document_kind: 'Нет такого' });
    expect([good['ok'], bad['error_code']]).toEqual(['Y', 'reference_not_found']);

    const all = await runProcess('runs', ['list'], stand.env);
    expect(all.code).toBe(0);
    expect(all.out.match(new RegExp(` DEAL_(${deal}|${other}) `, 'g'))).toHaveLength(2);
    expect(all.out).toMatch(new RegExp(`${good['run_id']} .* ${CODE} +DEAL_${deal} +done +1`));
    const failed = await command('runs', ['list', '--failed']);
    expect(failed.out).toContain(String(bad['run_id']));
    expect(failed.out).not.toContain(String(good['run_id']));
    expect((await command('runs', ['list', '--item', 'DEAL_1'])).out).toContain('no runs');

    const shown = await command('runs', ['show', String(bad['run_id'])]);
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(/1 {2}\d{4}-.* s {2}reference_not_found {2}.*Нет такого/);
    expect(shown.out).toMatch(/result 1 {2}sent {2}\d{4}-/);
    const whole = await command('runs', ['show', String(good['run_id'])]);
    expect(whole.out).toContain('subject: 14 characters');
    expect(whole.out).toContain(`document_id: ${good['document_id']}`);
    expect(whole.out).toMatch(/document_name: \d+ characters/);
    expect(whole.out).not.toContain('canary-subject');
  });

  it('does a failed run again and answers its step anew', async () => {
    stand = shared;
    const { deal } = addDeal(stand);
    const refusal = { status: 400, body: { error: { code: '', message: 'Не сегодня' } } };
    stand.directum.misbehave.next({ verb: 'POST', path: /IContracts$/, ...refusal });
    const failed = await runStep(stand, deal, CODE, { subject: 'Поставка' });
    expect(failed['error_code']).toBe('directum_refused');
    const id = String(failed['run_id']);
    const sent = () =>
      stand.portal.journal.filter(({ method }) => /bizproc.event.send|^batch$/.test(method)).length;
    const before = sent();
    expect(await command('runs', ['retry', id])).toMatchObject({ code: 0, err: '' });
    await expect
      .poll(async () => (await command('runs', ['show', id])).out, { timeout: 15_000 })
      .toMatch(
        /\n {2}1 {2}\d{4}-.*directum_refused.*\n {2}2 {2}\d{4}-.* done\n[\s\S]*result 1 {2}(sent|gone)/,
      );
    expect(sent()).toBeGreaterThan(before);
    const made = stand.directum
      .all('IContracts')
      .filter((one) => String(one['ExternalId']).includes(`:DEAL_${deal}:`));
    expect(made).toHaveLength(1);
  });

  it('counts failed runs by cause, and does those of one cause again, first only in words', async () => {
    stand = shared;
    const refusal = { status: 400, body: { error: { code: '', message: 'Не сегодня' } } };
    stand.directum.misbehave.next({ verb: 'POST', path: /IContracts$/, ...refusal, times: 2 });
    const before = new Date().toISOString();
    const failed: Record<string, unknown>[] = [];
    for (const subject of ['Первый', 'Второй'])
      failed.push(await runStep(stand, addDeal(stand).deal, CODE, { subject }));
    expect(failed.map((one) => one['error_code'])).toEqual(['directum_refused', 'directum_refused']);
    const ids = failed.map((one) => String(one['run_id']));
    const causes = await command('runs', ['causes']);
    expect(causes.out).toMatch(
      new RegExp(`^directum_refused +${CODE} +2 +\\d{4}-.*\\+03:00 +\\d{4}-.*\\+03:00$`, 'm'),
    );
    expect(causes.out).toMatch(/^reference_not_found /m);

    const bulk = ['retry', '--failed', '--code', 'directum_refused', '--robot', CODE, '--since', before];
    const dry = await command('runs', [...bulk, '--dry-run']);
    expect(dry).toMatchObject({ code: 0, out: expect.stringContaining('2 runs would be done again') });
    for (const id of ids) expect(dry.out).toContain(id);
    expect((await command('runs', ['list', '--failed'])).out).toContain(ids[0]);
    const done = await command('runs', bulk);
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('2 runs will be done again') });
    const doneNow = async () => {
      const { out } = await command('runs', ['list']);
      return ids.filter((id) => new RegExp(`${id} .* done`).test(out));
    };
    await expect.poll(doneNow, { timeout: 20_000 }).toEqual(ids);
    expect((await command('runs', ['list', '--failed'])).out).toContain('reference_not_found');
    expect((await command('runs', bulk)).out).toContain('0 runs will be done again');

    for (const [args, words] of [
      [['retry', '--failed'], '--code: '],
      [['retry', '--failed', '--code', 'x', '--robot', 'nobody'], '--robot: '],
      [['retry', '--failed', '--code', 'x', '--since', 'yesterday'], '--since: '],
      [['retry', '--failed', '--code', 'x', '--item', 'DEAL_1'], 'usage: '],
    ] as const) {
      const { code, out, err } = await command('runs', [...args]);
      expect({ code, out, err }).toEqual({ code: 1, out: '', err: expect.stringContaining(words) });
    }
  }, 60_000);

  it('does not repeat what has not ended or ended well', async () => {
    stand = shared;
    const { deal } = addDeal(stand);
    const done = await runStep(stand, deal, CODE, { subject: 'Поставка' });
    const again = await command('runs', ['retry', String(done['run_id'])]);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('ended well') });
    const cancel = await command('runs', ['cancel', String(done['run_id'])]);
    expect(cancel).toMatchObject({ code: 1, err: expect.stringContaining('has ended (done)') });
    stand.directum.misbehave.down = true;
    const { id, workflow } = await waiting({ subject: 'Ждёт' });
    const open = await command('runs', ['retry', id]);
    expect(open).toMatchObject({ code: 1, err: expect.stringContaining('has not ended') });
    // Left open it would take what the next tests prepare in Directum for their own runs.
    stand.directum.misbehave.down = false;
    const step = await stand.portal.waitForStep(workflow, CODE, 15_000);
    expect(step.outputs).toMatchObject({ ok: 'Y', run_id: id });
  });

  it('cancels an open run and tells its step in the language of the portal', async () => {
    stand = shared;
    stand.directum.misbehave.down = true;
    const { id, workflow } = await waiting({ subject: 'Отменят' });
    expect(await command('runs', ['cancel', id])).toMatchObject({ code: 0, err: '' });
    const step = await stand.portal.waitForStep(workflow, CODE, 15_000);
    expect(step.outputs).toMatchObject({ ok: 'N', error_code: 'cancelled', run_id: id });
    expect(step.outputs?.['error_text']).toContain('отменён администратором');
    expect((await command('runs', ['list', '--failed'])).out).toMatch(new RegExp(`${id} .* cancelled +\\d+`));
  });

  it('answers an unknown run in words and an unknown order with its usage', async () => {
    stand = shared;
    for (const order of ['show', 'retry', 'cancel']) {
      const { code, out, err } = await command('runs', [order, 'f'.repeat(24)]);
      expect({ order, code, out }).toEqual({ order, code: 1, out: '' });
      expect(err).toBe(`no run ${'f'.repeat(24)}; npm run runs -- list shows those there are\n`);
    }
    for (const args of [['retry'], ['remove', 'x'], ['list', '--everything'], []]) {
      const { code, out, err } = await (args.length === 0 ? runProcess : runCommand)('runs', args, stand.env);
      expect({ args, code, out }).toEqual({ args, code: 1, out: '' });
      expect(err).toContain('usage: npm run runs');
    }
  });
});

it('doctor tells by the latest run whether the account may create contracts', async () => {
  stand = shared;
  stand.directum.misbehave.next({ verb: 'POST', path: /^IContracts$/, status: 403 });
  expect(await runStep(stand, addDeal(stand).deal, CODE, { subject: 'Поставка' })).toMatchObject({
    error_code: 'directum_access_denied',
  });
  const refused = await doctor();
  expect(refused.failed).toEqual(['contracts']);
  expect(textOf(refused.lines, 'contracts')).toContain('rights to create contracts');
  expect(await runStep(stand, addDeal(stand).deal, CODE, { subject: 'Поставка' })).toMatchObject({ ok: 'Y' });
  const { failed, lines } = await doctor();
  expect(failed).toEqual([]);
  expect(textOf(lines, 'contracts')).toContain('the account made one at');
});

it('doctor names what was put aside and says what to do', async () => {
  stand = shared;
  const query = (sql: string) => inDatabase(stand.dataDir, (client) => client.query(sql));
  await query(
    `INSERT INTO quarantine (feed, key, reason, since, retry_at) SELECT 'documents', n, '22P05', now(), now() + interval '1 day' FROM generate_series(5001, 5007) AS n`,
  );
  const { failed, lines } = await doctor();
  expect(failed).toEqual(['quarantine']);
  expect(textOf(lines, 'quarantine')).toMatch(
    /cannot keep: 5001 \(22P05\), .* \+ 2: correct the card in Directum/,
  );
  await query('DELETE FROM quarantine');
  expect((await doctor()).failed).toEqual([]);
});
