import type { Portal } from '../../test/sandbox/portal/portal.ts';

const PREFIX = 'UF_CRM_DIRECTUM_';
const PARTS = ['STATUS', 'ID', 'URL', 'NUMBER', 'SINCE'];
const DONE = 5;

interface Block {
  properties: { title: string; block: { properties: { value: string } } };
}
interface Layout {
  header: { title: string };
  body: { blocks: Record<string, Block> };
  footer: { buttons: Record<string, { title: string; action: { uri?: string } }> };
}

/** What a deal must show before the demo goes on; what is not named may be anything. */
export interface Expected {
  status: string;
  /** Texts of the activity. */
  activity?: string[];
  /** Triggers fired since the last showing, in their order. */
  triggers?: string[];
  stage?: string;
  /** Notices so far: whose, and a part of their text. */
  notices?: [user: number, part: string][];
  /** Users who have an open task, and how many of the deal's tasks are done. */
  tasks?: { open: number[]; done: number };
}

/** The deal as a manager sees it, read back from the portal; triggers and notices since it was last printed. */
export function watchDeal(portal: Portal, deal: number, t: (en: string, ru: string) => string) {
  let triggersSeen = 0;
  let noticesSeen = 0;

  const fieldOf = (part: string) =>
    portal.world.userFields.find(({ fieldName }) => fieldName === `${PREFIX}${part}`);
  const listItem = () => {
    const value = portal.item(2, deal)[`${PREFIX}STATUS`];
    return fieldOf('STATUS')?.list.find(({ id }) => id === Number(value));
  };
  const triggers = () => portal.triggerRuns.filter(({ id }) => id === deal).slice(triggersSeen);
  const notices = () => portal.notices().slice(noticesSeen);
  const tasks = () =>
    portal.tasks().filter((task) => JSON.stringify(task['UF_CRM_TASK']).includes(`"D_${deal}"`));
  const nameOf = (user: unknown) => {
    const row = portal.world.users.get(Number(user));
    return `${row?.['LAST_NAME']} ${row?.['NAME']}`;
  };

  function fieldLines(): string[] {
    return PARTS.map((part) => {
      const label = (fieldOf(part)?.raw['editFormLabel'] as { ru?: string } | undefined)?.ru ?? part;
      const item = listItem();
      const value =
        part === 'STATUS' ? `${item?.value} (${item?.xmlId})` : portal.item(2, deal)[`${PREFIX}${part}`];
      return `  ${label}: ${value ?? ''}`;
    });
  }

  function activityLines(): string[] {
    return portal.activities(2, deal).flatMap((activity) => {
      const { header, body, footer } = activity.layout as unknown as Layout;
      return [
        `${t(`activity ${activity.id}, updated ${activity.updates} times`, `дело ${activity.id}, обновлений ${activity.updates}`)}: ${header.title}`,
        ...Object.values(body.blocks).map(
          ({ properties }) => `  ${properties.title}: ${properties.block.properties.value}`,
        ),
        `  ${Object.values(footer.buttons)
          .map(({ title }) => `[${title}]`)
          .join(' ')}`,
      ];
    });
  }

  return {
    /** Why the deal does not show this yet; null when it does. */
    missing(expected: Expected): string | null {
      const status = listItem()?.xmlId;
      if (status !== expected.status)
        return t(
          `status ${expected.status} (it is ${status})`,
          `состояние ${expected.status} (сейчас ${status})`,
        );
      const activities = portal.activities(2, deal);
      if (activities.length !== 1)
        return t(`one activity (there are ${activities.length})`, `одно дело (их ${activities.length})`);
      const text = JSON.stringify(activities[0]?.layout);
      for (const part of expected.activity ?? [])
        if (!text.includes(part)) return t(`«${part}» in the activity`, `«${part}» в деле`);
      const fired = triggers().map(({ code }) => code);
      if (expected.triggers && fired.join() !== expected.triggers.join())
        return t(
          `triggers ${expected.triggers} (fired: ${fired})`,
          `триггеры ${expected.triggers} (сработали: ${fired})`,
        );
      const stage = portal.item(2, deal)['stageId'];
      if (expected.stage !== undefined && stage !== expected.stage)
        return t(`stage ${expected.stage} (it is ${stage})`, `стадия ${expected.stage} (сейчас ${stage})`);
      for (const [user, part] of expected.notices ?? [])
        if (!portal.notices().some(({ userId, message }) => userId === user && message.includes(part)))
          return t(`a notice «${part}» to ${nameOf(user)}`, `уведомление «${part}» для ${nameOf(user)}`);
      if (expected.tasks) {
        const open = tasks().filter((task) => Number(task['STATUS']) !== DONE);
        const of = open.map((task) => Number(task['RESPONSIBLE_ID'])).sort();
        if (of.join() !== expected.tasks.open.toSorted().join())
          return t(
            `open tasks of ${expected.tasks.open.map(nameOf)} (there are ${open.length})`,
            `открытые задачи ${expected.tasks.open.map(nameOf)} (их ${open.length})`,
          );
        if (tasks().length - open.length !== expected.tasks.done)
          return t(`${expected.tasks.done} tasks done`, `закрытых задач ${expected.tasks.done}`);
      }
      return null;
    },

    /** Lines of the whole card; triggers and notices in it are then no longer new. */
    lines(): string[] {
      const fired = triggers();
      const told = notices();
      triggersSeen += fired.length;
      noticesSeen += told.length;
      return [
        `${t(`deal ${deal} on stage`, `сделка ${deal} на стадии`)} ${portal.item(2, deal)['stageId']}`,
        ...fieldLines(),
        ...activityLines(),
        ...fired.map(({ code }) => t(`trigger ${code} fired`, `сработал триггер ${code}`)),
        ...told.flatMap(({ userId, message }) => {
          const [first, ...rest] = message.split('\n');
          return [
            `${t('notice to', 'уведомление для')} ${nameOf(userId)}: ${first}`,
            ...rest.map((line) => `  ${line}`),
          ];
        }),
        ...tasks().map(
          (task) =>
            `${t('task of', 'задача')} ${nameOf(task['RESPONSIBLE_ID'])}, ${Number(task['STATUS']) === DONE ? t('done', 'закрыта') : t('open', 'открыта')}` +
            `${task['DEADLINE'] ? `, ${t('until', 'до')} ${task['DEADLINE']}` : ''}: ${task['TITLE']}`,
        ),
      ];
    },
  };
}
