import type {
  AssignmentTask,
  DealPort,
  TimelineComment,
  WriteResult,
} from '../../src/documents/ports/deal.ts';

export interface FakeDeals extends DealPort {
  /** `DEAL_915 directum_approved`, in the order of execution. */
  fired: string[];
  notices: { userId: number; text: string; tag: string }[];
  comments: TimelineComment[];
  /** People who left. */
  dismissed: Set<number>;
  tasks: Map<number, AssignmentTask & { mark: string; closed: boolean; notes: string[] }>;
  /** The whole portal is away. */
  down: boolean;
  /** The portal refuses triggers: its administrator was dismissed. */
  refusing: boolean;
  /** Codes of triggers that somebody deleted in the portal. */
  unregistered: Set<string>;
  /** Calls that take effect while their answer is lost. */
  cut: number;
}

/** A portal that keeps what it is given: user 1 is responsible for every deal but those in `gone`. */
export function fakeDeals(users: Record<string, number> = {}, gone: string[] = []): FakeDeals {
  let nextTask = 100;
  const answer = (results: WriteResult[]): WriteResult[] => {
    if (fake.cut === 0) return results;
    fake.cut -= 1;
    return results.map(() => ({ ok: false, why: 'retry' }));
  };
  const reach = () => {
    if (fake.down) throw new Error('the portal is away');
  };
  const fake: FakeDeals = {
    fired: [],
    notices: [],
    comments: [],
    dismissed: new Set(),
    tasks: new Map(),
    down: false,
    cut: 0,
    refusing: false,
    unregistered: new Set(),
    async fireTriggers(triggers) {
      reach();
      return answer(
        triggers.map(({ code, item }) => {
          if (gone.includes(item.code)) return { ok: false, why: 'gone' };
          if (fake.refusing || fake.unregistered.has(code)) return { ok: false, why: 'refused' };
          fake.fired.push(`${item.code} ${code}`);
          return { ok: true };
        }),
      );
    },
    async notify(notices) {
      reach();
      fake.notices.push(...notices);
      return answer(notices.map(() => ({ ok: true })));
    },
    async putTasks(tasks) {
      reach();
      return answer(
        tasks.map(({ mark, taskId, reopen, task }) => {
          const found = taskId ?? [...fake.tasks].find(([, known]) => known.mark === mark)?.[0];
          const known = found === undefined ? undefined : fake.tasks.get(found);
          if (taskId !== null && !known) return { ok: false, why: 'gone' };
          const id = found ?? nextTask++;
          fake.tasks.set(id, {
            notes: [],
            ...known,
            ...task,
            mark,
            closed: known?.closed === true && !reopen,
          });
          return { ok: true, id };
        }),
      );
    },
    async readTasks(taskIds) {
      reach();
      return taskIds.map((id) => fake.tasks.get(id) ?? 'gone');
    },
    async completeTasks(tasks) {
      reach();
      return answer(
        tasks.map(({ taskId, note }) => {
          const task = fake.tasks.get(taskId);
          if (!task) return { ok: false, why: 'gone' };
          task.closed = true;
          if (note !== null) task.notes.push(note);
          return { ok: true };
        }),
      );
    },
    async items(refs) {
      reach();
      return refs.map(({ code }) =>
        gone.includes(code)
          ? null
          : { title: `Сделка ${code}`, url: `https://acme/${code}`, responsibleUserId: 1 },
      );
    },
    async usersByEmail(emails) {
      reach();
      return new Map(emails.flatMap((email) => (users[email] ? [[email, users[email]] as const] : [])));
    },
    async comment(comments) {
      if (fake.down) return comments.map(() => ({ ok: false, why: 'retry' }));
      fake.comments.push(...comments);
      return answer(comments.map(() => ({ ok: true })));
    },
    async activeUsers(userIds) {
      reach();
      return new Set(userIds.filter((id) => !fake.dismissed.has(id)));
    },
    installer: () => 2,
    cardUrl: ({ code }) => `https://acme/${code}`,
    language: () => 'ru',
    writeFields: async () => [],
    putActivities: async () => [],
    compare: async () => [],
  };
  return fake;
}
