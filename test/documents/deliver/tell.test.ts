import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Assignment } from '../../../src/documents/ports/document.ts';
import { type FakeDeals, fakeDeals } from '../fake-deals.ts';
import { ledgerBench } from '../ledger-bench.ts';
import { assignment, snapshot } from '../snapshots.ts';

const DAY_MS = 86_400_000;
let bench: Awaited<ReturnType<typeof ledgerBench>>;
let deals: FakeDeals;
beforeAll(async () => {
  bench = await ledgerBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.clear();
  deals = fakeDeals({ 'anna@acme.example': 34, 'petr@acme.example': 35 });
  bench.reach({ p: deals });
});

const deal = (n: number) => [{ portal: 'p', itemCode: `DEAL_${n}` }];

describe('triggers', () => {
  it('fire once each and in their order, though two processes see and tell the same', async () => {
    const [before, after] = [snapshot('created'), snapshot('signed_both')];
    await Promise.all([bench.one.see(1, before, after), bench.two.see(1, before, after)]);
    await bench.pass(10_000);
    await bench.one.see(1, before, after);
    await bench.pass(10_000);
    expect(deals.fired).toEqual([
      'DEAL_915 directum_approved',
      'DEAL_915 directum_signed_us',
      'DEAL_915 directum_signed_both',
    ]);
  });

  it('go to every item that shows the document, and one that is gone does not hold the others', async () => {
    deals = fakeDeals({}, ['DEAL_2']);
    bench.reach({ p: deals });
    await bench.one.see(1, snapshot('created'), snapshot('rejected'), [...deal(1), ...deal(2), ...deal(3)]);
    await bench.pass(10_000);
    expect(deals.fired.toSorted()).toEqual(['DEAL_1 directum_rejected', 'DEAL_3 directum_rejected']);
    expect(deals.notices).toHaveLength(2);
  });

  it('of a portal that is away for a day are kept and fire afterwards; another portal is not held up', async () => {
    const other = fakeDeals();
    bench.reach({ p: deals, q: other });
    deals.down = true;
    await bench.one.see(1, snapshot('created'), snapshot('approved'), [
      ...deal(1),
      { portal: 'q', itemCode: 'DEAL_1' },
    ]);
    await bench.pass(10_000);
    expect(other.fired).toEqual(['DEAL_1 directum_approved']);
    await bench.pass(DAY_MS, 600_000);
    expect(deals.fired).toEqual([]);
    deals.down = false;
    await bench.pass(16 * 60_000, 60_000);
    expect(deals.fired).toEqual(['DEAL_1 directum_approved']);
    expect(deals.notices).toHaveLength(1);
  });

  it('of a paused portal wait untouched, and after a month are given up aloud', async () => {
    bench.reach({});
    await bench.one.see(1, snapshot('created'), snapshot('approved'));
    await bench.pass(60_000, 10_000);
    bench.reach({ p: deals });
    deals.down = true;
    bench.idle(31 * DAY_MS);
    await bench.pass(10_000);
    deals.down = false;
    await bench.pass(3_600_000, 600_000);
    expect(deals.fired).toEqual([]);
    const refused = bench.lines.filter(({ event }) => event === 'outbox.refused');
    // Triggers and notices are told by two loops.
    expect(
      refused.toSorted((a, b) => String(b.facts['code']).localeCompare(String(a.facts['code']))),
    ).toMatchObject([
      { level: 'error', facts: { item: 'DEAL_915', code: 'directum_approved', why: 'retry' } },
      { facts: { code: 'approved' } },
    ]);
  });

  it('that the portal refuses are tried again hourly, until an administrator mended it', async () => {
    deals.refusing = true;
    await bench.one.see(1, snapshot('created'), snapshot('approved'));
    await bench.pass(2 * 3_600_000, 600_000);
    const refused = bench.lines.filter(({ event }) => event === 'outbox.refused');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(2);
    deals.refusing = false;
    await bench.pass(3_600_000, 600_000);
    expect(deals.fired).toEqual(['DEAL_915 directum_approved']);
  });

  it('do not wait for one that somebody deleted in the portal', async () => {
    deals.unregistered.add('directum_approved');
    await bench.one.see(1, snapshot('created'), snapshot('signed_us'));
    await bench.pass(10_000);
    expect(deals.fired).toEqual(['DEAL_915 directum_signed_us']);
    deals.unregistered.clear();
    await bench.pass(3_600_000, 600_000);
    expect(deals.fired).toEqual(['DEAL_915 directum_signed_us', 'DEAL_915 directum_approved']);
  });

  it('whose answer is lost fire again, a later one of the deal not before', async () => {
    deals.cut = 1;
    await bench.one.see(1, snapshot('created'), snapshot('signed_us'));
    await bench.pass(30_000);
    expect(deals.fired).toEqual([
      'DEAL_915 directum_approved',
      'DEAL_915 directum_approved',
      'DEAL_915 directum_signed_us',
    ]);
  });
});

describe('notices', () => {
  it('tell the responsible what happened, in which document and deal, and what to do', async () => {
    await bench.one.see(1, snapshot('on_approval'), snapshot('approved'));
    await bench.pass(10_000);
    expect(deals.notices).toEqual([
      {
        userId: 1,
        text: 'Документ «Договор «Поставка»» согласован всеми. https://rx/5001\nТеперь он ждёт подписи; делать ничего не нужно.\nЭлемент CRM: Сделка DEAL_915 https://acme/DEAL_915',
        tag: 'directum:1:approved:',
      },
    ]);
  });

  it('go to the performer who is a user of the portal, and to nobody for one who is not', async () => {
    const stranger = assignment(12, { performer: { id: 9, name: 'Иван', email: 'ivan@elsewhere.example' } });
    const assignments = [assignment(11), stranger];
    await bench.one.see(1, snapshot('on_approval'), snapshot('on_approval', { assignments }));
    await bench.pass(10_000);
    expect(deals.notices.map(({ userId, tag }) => [userId, tag])).toEqual([
      [34, 'directum:1:approval_needed:11/34'],
    ]);
  });

  it('are sealed in the database', async () => {
    await bench.one.see(
      1,
      snapshot('on_approval'),
      snapshot('on_approval', { assignments: [assignment(11)] }),
    );
    const stored = async () =>
      JSON.stringify([
        (await bench.pool.query('SELECT * FROM outbox')).rows,
        (await bench.pool.query('SELECT * FROM mirrored_task')).rows,
      ]);
    const fresh = await stored();
    await bench.pass(10_000);
    for (const text of [fresh, await stored()]) {
      expect(text).toContain('approval_needed');
      expect(text).not.toMatch(/anna@|Поставка|rx\/5001/);
    }
  });

  it.each(['addressed', 'sent'])(
    'whose key is gone before they are %s are named and hold up no other',
    async (until) => {
      const lose = (n: number) =>
        bench.pool.query(
          `UPDATE outbox SET payload = 'v1.gone.AA.AA.AA' WHERE document_id = $1 AND kind = 'notice'`,
          [n],
        );
      for (const n of [1, 2]) await bench.one.see(n, snapshot('created'), snapshot('approved'), deal(n));
      if (until === 'sent') await bench.pass(2_000);
      await lose(1);
      await bench.pass(20_000);
      expect(deals.notices.map(({ tag }) => tag?.split(':')[1])).toEqual(['2']);
      const { rows } = await bench.pool.query(
        `SELECT state FROM outbox WHERE kind = 'notice' ORDER BY document_id`,
      );
      expect(rows).toEqual([{ state: 'refused' }, { state: 'sent' }]);
      expect(bench.lines.filter(({ event }) => event === 'outbox.not_opened')).toHaveLength(1);
    },
  );

  it('up to five go out singly, a sixth within the minute waits for its end', async () => {
    for (let n = 1; n <= 5; n += 1)
      await bench.one.see(n, snapshot('created'), snapshot('approved'), deal(n));
    await bench.pass(8_000);
    expect(deals.notices).toHaveLength(5);
    await bench.one.see(6, snapshot('created'), snapshot('approved'), deal(6));
    await bench.pass(50_000);
    expect(deals.notices).toHaveLength(5);
    await bench.pass(20_000);
    expect(deals.notices.slice(5).map(({ tag }) => tag)).toEqual(['directum:6:approved:']);
  });

  it('a few seconds apart are counted together', async () => {
    for (const n of [1, 2, 3]) await bench.one.see(n, snapshot('created'), snapshot('approved'), deal(n));
    await bench.pass(3_000);
    for (const n of [4, 5, 6]) await bench.one.see(n, snapshot('created'), snapshot('approved'), deal(n));
    await bench.pass(65_000);
    expect(deals.notices.map(({ text }) => text.split('\n')[0])).toEqual([
      'Directum: уведомлений за минуту — 6',
    ]);
  });

  it('a hundred changes within a minute are one digest for each person', async () => {
    for (let n = 1; n <= 100; n += 1) {
      await bench.one.see(n, snapshot('created'), snapshot('signed_both'), deal(n));
      if (n % 10 === 0) await bench.pass(3_000);
    }
    await bench.pass(120_000, 5_000);
    expect(deals.fired).toHaveLength(300);
    expect(deals.notices).toHaveLength(1);
    expect(deals.notices[0]?.text).toMatch(/^Directum: уведомлений за минуту — 100\n\n1\. Документ «Договор/);
    expect(deals.notices[0]?.text).toContain('\n\n20. ');
    expect(deals.notices[0]?.text).toMatch(/И ещё 80\. Всё видно в карточках CRM\.$/);
  }, 60_000);

  it('a digest whose answer is lost is sent again as the same one', async () => {
    for (let n = 1; n <= 7; n += 1)
      await bench.one.see(n, snapshot('created'), snapshot('approved'), deal(n));
    await bench.pass(55_000);
    expect(deals.notices).toHaveLength(0);
    deals.cut = 1;
    await bench.pass(60_000);
    expect(deals.notices).toHaveLength(2);
    expect(deals.notices[1]).toEqual(deals.notices[0]);
  });

  it('of a date that is fulfilled before it was told are dropped', async () => {
    const dates = (completed: boolean) => ({
      id: 1,
      validTill: null,
      milestones: [{ id: 5, name: 'Поставка', deadline: '2026-03-05', completed }],
    });
    bench.reach({});
    const [open, done] = [
      snapshot('signed_both', { dates: dates(false) }),
      snapshot('signed_both', { dates: dates(true) }),
    ];
    await bench.one.see(1, snapshot('signed_both'), open);
    await bench.one.see(1, open, done);
    bench.reach({ p: deals });
    await bench.pass(10_000);
    expect([deals.fired, deals.notices]).toEqual([[], []]);
    await bench.one.see(1, done, open);
    await bench.pass(10_000);
    expect(deals.fired).toEqual(['DEAL_915 directum_due']);
  });
});

describe('dates of a document', () => {
  const dated = (validTill: string | null) =>
    snapshot('signed_both', { dates: validTill === null ? null : { id: 1, validTill, milestones: [] } });

  it('that had passed when the item began to show it are not news; written in later they are', async () => {
    await bench.one.see(1, null, dated('2026-01-15'));
    await bench.pass(10_000);
    expect(deals.fired).toEqual([]);
    await bench.one.see(1, dated('2026-01-15'), dated('2026-02-15'));
    await bench.pass(10_000);
    expect(deals.fired).toEqual(['DEAL_915 directum_overdue']);
  });

  it('of a contract that a robot made are news from the beginning', async () => {
    await bench.one.see(1, null, dated('2026-01-15'), deal(1), true);
    await bench.pass(10_000);
    expect(deals.fired).toContain('DEAL_1 directum_overdue');
  });
});

describe('what cannot be opened any more', () => {
  const spoil = (table: string, column: string, id: string) =>
    bench.pool.query(`UPDATE ${table} SET ${column} = 'v1:lost:x:y:z' WHERE ${id} = 1`);

  it('takes no other notice with it, before it is addressed or after', async () => {
    for (const id of [1, 2, 3])
      await bench.one.see(id, snapshot('on_approval'), snapshot('approved'), deal(id));
    await spoil('outbox', 'payload', "kind = 'notice' AND document_id");
    await bench.one.tell();
    await bench.pool.query(`UPDATE outbox SET payload = 'lost' WHERE kind = 'notice' AND document_id = 2`);
    await bench.pass(10_000);
    expect(deals.notices.map(({ tag }) => tag)).toEqual(['directum:3:approved:']);
    const { rows } = await bench.pool.query(
      `SELECT document_id::int AS id, state FROM outbox WHERE kind = 'notice' ORDER BY 1`,
    );
    expect(rows).toEqual([
      { id: 1, state: 'refused' },
      { id: 2, state: 'refused' },
      { id: 3, state: 'sent' },
    ]);
  });

  it('takes no other task with it', async () => {
    for (const id of [1, 2])
      await bench.one.see(
        id,
        snapshot('created'),
        snapshot('on_approval', { assignments: [assignment(id)] }),
        deal(id),
      );
    await spoil('mirrored_task', 'wanted', 'assignment_id');
    await bench.pass(10_000);
    expect([...deals.tasks.values()]).toMatchObject([{ item: { code: 'DEAL_2' } }]);
    const { rows } = await bench.pool.query(`SELECT key FROM outbox WHERE kind = 'task' AND state = 'due'`);
    expect(rows).toEqual([]);
    const moved = assignment(1, { deadline: '2026-04-01T18:00:00+03:00' });
    await bench.one.see(
      1,
      snapshot('on_approval'),
      snapshot('on_approval', { assignments: [moved] }),
      deal(1),
    );
    await bench.pass(10_000);
    expect(deals.tasks.size).toBe(2);
  });
});

describe('what a portal answers that cannot be kept', () => {
  it('takes no other task with it', async () => {
    const { putTasks } = deals;
    deals.putTasks = async (tasks) => {
      const results = await putTasks(tasks);
      return results.map((result, n) =>
        tasks[n]?.task.item.code === 'DEAL_1' ? { ok: true, id: 2 ** 64 } : result,
      );
    };
    for (const id of [1, 2])
      await bench.one.see(
        id,
        snapshot('created'),
        snapshot('on_approval', { assignments: [assignment(id)] }),
        deal(id),
      );
    await bench.one.mirror();
    const { rows } = await bench.pool.query(
      `SELECT assignment_id::int AS id, task_id IS NOT NULL AS kept, state = 'due' AS due
       FROM mirrored_task JOIN outbox ON kind = 'task' AND key = assignment_id::text ORDER BY 1`,
    );
    expect(rows).toEqual([
      { id: 1, kept: false, due: true },
      { id: 2, kept: true, due: false },
    ]);
  });
});

describe('tasks', () => {
  const see = async (before: Assignment[], after: Assignment[], bench_ = bench.one) =>
    bench_.see(
      1,
      snapshot('on_approval', { assignments: before }),
      snapshot('on_approval', { assignments: after }),
      [...deal(915), ...deal(916)],
    );
  const open = () => [...deals.tasks.values()].filter(({ closed }) => !closed);
  const to = (email: string) => ({ id: email.length, name: email, email });

  it('are one for each assignment, follow it and are closed with it', async () => {
    const first = assignment(1);
    await see([], [first]);
    await bench.pass(3_000);
    const moved = assignment(1, { deadline: '2026-03-09T18:00:00+03:00' });
    await see([first], [moved]);
    await bench.pass(3_000);
    expect([...deals.tasks.values()]).toMatchObject([
      {
        responsibleUserId: 34,
        deadline: '2026-03-09T18:00:00+03:00',
        closed: false,
        item: { code: 'DEAL_915' },
      },
    ]);
    await see([moved], [assignment(1, { status: 'Completed', result: 'Approved' })]);
    await bench.pass(3_000);
    expect([...deals.tasks.values()]).toMatchObject([{ closed: true, notes: [] }]);
  });

  it('whose key is gone hold up no other, and are written anew with the next change', async () => {
    const [first, second] = [assignment(1), assignment(2)];
    await see([], [first, second]);
    await bench.pool.query(`UPDATE mirrored_task SET wanted = 'v1.gone.AA.AA.AA' WHERE assignment_id = 1`);
    await bench.pass(3_000);
    expect(deals.tasks.size).toBe(1);
    await see([first, second], [first, second]);
    await bench.pass(3_000);
    expect(deals.tasks.size).toBe(2);
  });

  it('follow five changes of the performer with one task', async () => {
    let last = assignment(1);
    await see([], [last]);
    for (const email of ['petr', 'anna', 'petr', 'anna', 'petr'].map((name) => `${name}@acme.example`)) {
      const next = assignment(1, { performer: to(email) });
      await see([last], [next]);
      await bench.pass(2_000);
      last = next;
    }
    expect([...deals.tasks.values()]).toMatchObject([{ responsibleUserId: 35, closed: false }]);
  });

  it('of an assignment forwarded five times are closed with a note, and one stays open', async () => {
    let all: Assignment[] = [assignment(1)];
    await see([], all);
    await bench.pass(2_000);
    for (let id = 2; id <= 6; id += 1) {
      const ended = all.map((one) => ({ ...one, status: 'Completed', result: 'Forward' }));
      const performer = to(id % 2 ? 'anna@acme.example' : 'petr@acme.example');
      const next = [...ended, assignment(id, { performer })];
      await see(all, next);
      await bench.pass(2_000);
      all = next;
    }
    expect(deals.tasks.size).toBe(6);
    expect(open()).toMatchObject([{ responsibleUserId: 35 }]);
    expect([...deals.tasks.values()][0]?.notes).toEqual(['Задание в Directum передано другому сотруднику.']);
  });

  it('are not doubled when the answer to the making is lost, and not left open when the work ends meanwhile', async () => {
    deals.cut = 1;
    await see([], [assignment(1)]);
    await bench.pass(1_000);
    await see([assignment(1)], [assignment(1, { status: 'Aborted' })]);
    await bench.pass(20_000);
    expect([...deals.tasks.values()]).toMatchObject([{ closed: true }]);
  });

  it('deleted by hand are not made again', async () => {
    await see([], [assignment(1)]);
    await bench.pass(2_000);
    deals.tasks.clear();
    await see([assignment(1)], [assignment(1, { deadline: null })]);
    await bench.pass(2_000);
    await see([assignment(1, { deadline: null })], [assignment(1, { performer: to('petr@acme.example') })]);
    await bench.pass(10_000);
    expect(deals.tasks.size).toBe(0);
  });

  it('are not made twice after the table was lost', async () => {
    await see([], [assignment(1)]);
    await bench.pass(2_000);
    await bench.pool.query('TRUNCATE mirrored_task');
    await see([], [assignment(1)]);
    await bench.pass(2_000);
    expect(deals.tasks.size).toBe(1);
  });

  it('wait for a portal that is away', async () => {
    deals.down = true;
    await see([], [assignment(1)]);
    await bench.pass(DAY_MS, 900_000);
    deals.down = false;
    await bench.pass(16 * 60_000, 60_000);
    expect(open()).toHaveLength(1);
  });

  it('switched off, none is begun and those begun before are closed', async () => {
    await see([], [assignment(1)]);
    await bench.pass(2_000);
    const off = bench.withoutTasks;
    await see([assignment(1)], [assignment(1, { status: 'Completed' }), assignment(2)], off);
    await bench.pass(5_000);
    expect([...deals.tasks.values()]).toMatchObject([{ closed: true }]);
  });
});
