import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failureBench, ROBOT } from '../failure-bench.ts';
import { type FakeDeals, fakeDeals } from '../fake-deals.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const RESPONSIBLE = 1;
const INSTALLER = 2;
let bench: Awaited<ReturnType<typeof failureBench>>;
let deals: FakeDeals;
beforeAll(async () => {
  bench = await failureBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.clear();
  deals = fakeDeals();
  bench.reach({ p: deals });
});

const texts = () => deals.comments.map(({ item, text }) => `${item.code} ${text}`);
const told = (userId: number) => deals.notices.filter((notice) => notice.userId === userId);
/** Ends a run badly in each of the deals from `first` to `last`. */
async function failEach(first: number, last: number, code = 'input_invalid') {
  for (let n = first; n <= last; n += 1) await bench.fail({ item: `DEAL_${n}`, code });
}

describe('a run that ended badly', () => {
  it('leaves the robot’s title, its text and the run in the item, and tells the responsible the same with a link', async () => {
    const id = await bench.fail({ item: 'DEAL_915' });
    await bench.pass(10_000);
    const said = `Directum: ${ROBOT}: Не вышло input_invalid. (${id})`;
    expect(texts()).toEqual([`DEAL_915 ${said}`]);
    expect(deals.notices).toMatchObject([
      { userId: RESPONSIBLE, text: `${said}\nЭлемент CRM: Сделка DEAL_915 https://acme/DEAL_915` },
    ]);
    await bench.pass(HOUR_MS, 600_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
  });

  it('speaks the portal’s language', async () => {
    deals.language = () => 'en';
    const id = await bench.fail();
    await bench.pass(10_000);
    expect(deals.comments[0]?.text).toBe(`Directum (en): ${ROBOT}: Failed input_invalid. (${id})`);
    expect(deals.notices[0]?.text).toContain('Failed input_invalid.');
    expect(deals.notices[0]?.text).toContain('CRM item: ');
  });

  it.each([true, false])(
    'leaves nothing for a call that the portal does not vouch for, step waits: %s',
    async (waits) => {
      await bench.fail({ proven: false, waits });
      await bench.pass(10_000);
      expect([deals.comments, deals.notices]).toEqual([[], []]);
    },
  );

  it('says as much as it answered, 500 characters', async () => {
    await bench.fail({ text: { ru: 'я'.repeat(700), en: 'x' } });
    await bench.pass(10_000);
    expect(/я+…я+/.exec(deals.comments[0]?.text ?? '')?.[0]).toHaveLength(500);
  });

  it.each(['done', 'forged', 'cancelled', 'rejected', 'not_signed', 'deleted', 'expired'])(
    'leaves nothing for %s',
    async (code) => {
      await bench.fail({ code });
      await bench.fail({ code: 'internal_error' });
      await bench.pass(10_000);
      expect(texts()).toMatchObject([expect.stringContaining('internal_error')]);
      expect(deals.notices).toHaveLength(1);
    },
  );

  it('is told without its call and without its text, which may be lost with their key', async () => {
    await bench.fail({ code: 'internal_error', text: null });
    await bench.pass(10_000);
    expect(deals.comments[0]?.text).toContain(`Directum: ${ROBOT}: internal_error (`);
    expect(deals.notices).toHaveLength(1);
  });

  it('makes no markup of what Directum or the deal says', async () => {
    deals.items = async (refs) =>
      refs.map(() => ({
        title: '[url=https://evil]Сделка[/url] <b>',
        url: 'https://acme/1',
        responsibleUserId: 1,
      }));
    await bench.fail({ text: { ru: 'Directum: «[b]нельзя[/b] <script>»', en: 'x' } });
    await bench.pass(10_000);
    for (const text of [...texts(), ...deals.notices.map((notice) => notice.text)])
      expect(text).not.toMatch(/[[\]<>]/);
    expect(deals.comments[0]?.text).toContain('«(b)нельзя(/b) ‹script›»');
  });

  it('is sealed in the ledger', async () => {
    await bench.fail();
    await bench.pass(1_000);
    const { rows } = await bench.pool.query('SELECT payload FROM outbox');
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain('Не вышло');
  });
});

describe('FAILURES_SHOWN', () => {
  it.each([
    ['both', true, 1, 1],
    ['comment', true, 1, 0],
    ['notice', true, 0, 1],
    ['off', true, 0, 0],
    ['both', false, 1, 1],
    ['comment', false, 1, 0],
    ['notice', false, 1, 1],
    ['off', false, 1, 0],
  ] as const)('%s, the step waits: %s', async (shown, waits, comments, notices) => {
    bench.show(shown);
    await bench.fail({ waits });
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([comments, notices]);
  });

  it.each(['both', 'off'] as const)(
    '%s: what is no failure is told by the item alone, and only of a step that does not wait',
    async (shown) => {
      bench.show(shown);
      for (const code of ['expired', 'cancelled']) await bench.fail({ waits: false, code });
      await bench.pass(10_000);
      expect(texts()).toMatchObject([
        expect.stringContaining('expired'),
        expect.stringContaining('cancelled'),
      ]);
      expect(deals.notices).toEqual([]);
    },
  );

  it('off counts nothing as told', async () => {
    bench.show('off');
    await bench.fail();
    await bench.pass(2_000);
    bench.show('both');
    await bench.fail();
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
  });
});

describe('the same robot, item and code', () => {
  it('leaves nothing new within 24 hours, and something again after them', async () => {
    await bench.fail();
    await bench.pass(10_000);
    bench.idle(12 * HOUR_MS);
    await bench.fail();
    await bench.pass(10_000);
    bench.idle(11.9 * HOUR_MS);
    await bench.fail();
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
    bench.idle(0.2 * HOUR_MS);
    await bench.fail();
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([2, 2]);
  });

  it('is another thing with another robot, item or code', async () => {
    await bench.fail();
    await bench.fail({ robot: 'directum_start_approval' });
    await bench.fail({ item: 'DEAL_2' });
    await bench.fail({ code: 'directum_refused' });
    await bench.pass(10_000);
    expect(deals.comments).toHaveLength(4);
  });

  it('is told once though two processes decide at the same time', async () => {
    await Promise.all(Array.from({ length: 8 }, () => bench.fail()));
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
  });

  it('is told again once an operator had the run done anew before anybody was told', async () => {
    const id = await bench.fail();
    bench.reach({});
    await bench.pass(5_000);
    expect(await bench.history.reopen(id, bench.now(), bench.now())).toBe(true);
    bench.reach({ p: deals });
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([0, 0]);
    await bench.end(id, {});
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
    await bench.history.reopen(id, bench.now(), bench.now());
    await bench.end(id, {});
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
    expect((await bench.history.find(id))?.answers).toMatchObject([
      { kind: 'comment', state: 'sent' },
      { kind: 'notice', state: 'sent' },
    ]);
  });

  it('is the same though the clock was set back', async () => {
    await bench.fail();
    bench.idle(-3 * HOUR_MS);
    await bench.fail();
    await bench.pass(4 * HOUR_MS, 600_000);
    expect(deals.comments).toHaveLength(1);
  });
});

describe('many items with one code', () => {
  it('ten are told one by one, from the eleventh on one person is told of all; comments stay one an item', async () => {
    await failEach(1, 30);
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect(deals.comments).toHaveLength(30);
    expect(new Set(deals.comments.map(({ item }) => item.code)).size).toBe(30);
    // Ten of one moment to one person are a digest.
    expect(told(RESPONSIBLE).map(({ text }) => text.split('\n')[0])).toEqual([
      'Directum: уведомлений за минуту — 10',
    ]);
    expect(told(INSTALLER)).toHaveLength(1);
    const [notice] = told(INSTALLER);
    expect(notice?.text).toContain('в 30 элементах CRM за час, код ошибки input_invalid');
    expect(notice?.text).toContain('Не вышло input_invalid.');
    expect(notice?.text).toContain('npm run runs -- retry --failed --code input_invalid');
  });

  it('slowly over the hour they are told so too, once an hour', async () => {
    for (let n = 1; n <= 30; n += 1) {
      await bench.fail({ item: `DEAL_${n}` });
      await bench.pass(100_000, 25_000);
    }
    expect(told(RESPONSIBLE)).toHaveLength(10);
    expect(told(INSTALLER)).toHaveLength(1);
    // The eleventh was told at 17 minutes; the next hour begins then.
    for (let n = 31; n <= 60; n += 1) {
      await bench.fail({ item: `DEAL_${n}` });
      await bench.pass(100_000, 25_000);
    }
    expect(told(RESPONSIBLE)).toHaveLength(10);
    expect(told(INSTALLER)).toHaveLength(2);
    expect(told(INSTALLER)[1]?.text).toMatch(/в 3\d элементах/);
  }, 30_000);

  it('ten and no more are no crowd; nor are ten of this hour with one of the last, or of another code or portal', async () => {
    const other = fakeDeals();
    bench.reach({ p: deals, q: other });
    await failEach(1, 1);
    await bench.pass(HOUR_MS, 600_000);
    await failEach(2, 11);
    await failEach(12, 12, 'directum_refused');
    await bench.fail({ item: 'DEAL_13', portal: 'q' });
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect(told(INSTALLER)).toEqual([]);
    expect(other.notices).toHaveLength(1);
  });

  it('an item counts once, whatever fails in it', async () => {
    for (const robot of ['directum_create_contract', 'directum_start_approval'])
      for (let n = 1; n <= 6; n += 1) await bench.fail({ robot, item: `DEAL_${n}` });
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect(told(INSTALLER)).toEqual([]);
  });

  it('two processes that decide at the same time make no second crowd', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, n) => bench.fail({ item: `DEAL_${n + 1}` })));
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect([deals.comments.length, told(INSTALLER).length]).toEqual([60, 1]);
    expect(told(RESPONSIBLE)[0]?.text).toContain('уведомлений за минуту — 10');
  });

  it('is no crowd where no notices are wanted', async () => {
    bench.show('comment');
    await failEach(1, 30);
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([30, 0]);
  });

  it('of a crowd the same failure leaves nothing new within 24 hours', async () => {
    bench.show('notice');
    await failEach(1, 12);
    await bench.pass(3 * MINUTE_MS, 5_000);
    const before = deals.notices.length;
    bench.idle(2 * HOUR_MS);
    await failEach(12, 12);
    await bench.pass(3 * MINUTE_MS, 5_000);
    expect(deals.notices).toHaveLength(before);
  });
});

describe('who is told', () => {
  it('the installer for a responsible who is dismissed, or whom nobody knows', async () => {
    deals.dismissed.add(RESPONSIBLE);
    await bench.fail();
    await bench.pass(10_000);
    expect(told(RESPONSIBLE)).toEqual([]);
    expect(told(INSTALLER)[0]?.text).toMatch(/https:\/\/acme\/DEAL_1\nСообщение пришло вам, потому что/);
  });

  it('the installer of an item that is gone, with the page it had', async () => {
    deals = fakeDeals({}, ['DEAL_1']);
    bench.reach({ p: deals });
    await bench.fail({ code: 'item_not_found' });
    await bench.pass(10_000);
    expect(told(INSTALLER)[0]?.text).toContain('Элемент CRM: DEAL_1 https://acme/DEAL_1');
  });

  it('the installer of what is no CRM item; no comment can be left there', async () => {
    await bench.fail({ item: 'ORDER_3', code: 'item_unsupported' });
    await bench.pass(10_000);
    expect(deals.comments).toEqual([]);
    expect(told(INSTALLER)[0]?.text).toContain('Элемент CRM: ORDER_3\n');
  });

  it('nobody when the installer is dismissed too, which is logged', async () => {
    deals.dismissed.add(RESPONSIBLE).add(INSTALLER);
    await bench.fail();
    await bench.pass(10_000);
    expect(deals.notices).toEqual([]);
    expect(deals.comments).toHaveLength(1);
    expect(bench.lines.filter(({ event }) => event === 'outbox.gone')).toMatchObject([
      { facts: { item: 'DEAL_1', why: 'nobody to tell' } },
    ]);
  });
});

describe('a portal', () => {
  it('that is away for a day is told afterwards, another is not held up', async () => {
    const other = fakeDeals();
    bench.reach({ p: deals, q: other });
    deals.down = true;
    await bench.fail();
    await bench.fail({ portal: 'q' });
    await bench.pass(10_000);
    expect([other.comments.length, other.notices.length]).toEqual([1, 1]);
    await bench.pass(24 * HOUR_MS, HOUR_MS);
    expect([deals.comments.length, deals.notices.length]).toEqual([0, 0]);
    deals.down = false;
    await bench.pass(20 * MINUTE_MS, MINUTE_MS);
    expect([deals.comments.length, deals.notices.length]).toEqual([1, 1]);
  });

  it('that is paused keeps it; after a month it is given up aloud', async () => {
    bench.reach({});
    await bench.fail();
    await bench.pass(10_000);
    bench.reach({ p: deals });
    deals.down = true;
    bench.idle(31 * 24 * HOUR_MS);
    await bench.pass(10_000);
    deals.down = false;
    await bench.pass(HOUR_MS, 600_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([0, 0]);
    expect(bench.lines.filter(({ event }) => event === 'outbox.refused')).toHaveLength(2);
  });

  it('that was removed is told nothing of what failed before', async () => {
    bench.reach({});
    await bench.fail();
    await bench.failures.forget('p');
    bench.reach({ p: deals });
    await bench.pass(10_000);
    expect([deals.comments.length, deals.notices.length]).toEqual([0, 0]);
  });

  it('whose answer to a comment was lost is asked for it, and what is known of the loss is kept', async () => {
    const asked: (string | null)[] = [];
    const results = ['lost', 'failed', 'ok'];
    deals.comment = async (comments) => {
      asked.push(...comments.map(({ unsure }) => unsure));
      const unsure = results[asked.length - 1] as 'lost' | 'failed' | 'ok';
      return comments.map(() => (unsure === 'ok' ? { ok: true } : { ok: false, why: 'retry', unsure }));
    };
    const id = await bench.fail();
    await bench.pass(MINUTE_MS);
    expect(asked).toEqual([null, 'lost', 'failed']);
    expect((await bench.history.find(id))?.answers[0]).toMatchObject({ kind: 'comment', state: 'sent' });
  });

  it('of a process that died while it left a comment is asked for it too', async () => {
    const asked: (string | null)[] = [];
    let dies = true;
    deals.comment = async (comments) => {
      asked.push(...comments.map(({ unsure }) => unsure));
      if (dies) await new Promise(() => undefined);
      return comments.map(() => ({ ok: true }));
    };
    await bench.fail();
    void bench.pass(1_000);
    await expect.poll(() => asked).toEqual([null]);
    dies = false;
    bench.idle(200_000);
    await bench.pass(1_000);
    expect(asked).toEqual([null, 'lost']);
  });
});
