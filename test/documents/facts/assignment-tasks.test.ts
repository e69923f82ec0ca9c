import { describe, expect, it } from 'vitest';
import {
  type ShownAssignment,
  toTaskChange,
  toWanted,
} from '../../../src/documents/facts/assignment-tasks.ts';
import { assignment, snapshot } from '../snapshots.ts';

const ITEM = { typeId: 2, id: 915, code: 'DEAL_915' };
const wanted = (...assignments: ReturnType<typeof assignment>[]) =>
  toWanted(snapshot('on_approval', { assignments }));
const shown = (more: Parameters<typeof assignment>[1] = {}) =>
  wanted(assignment(1, more))[0]?.shown as ShownAssignment;

describe('a task of an assignment', () => {
  it('carries what is to be done, where, by when and in which deal', () => {
    const change = toTaskChange({ taskId: null, tried: false, shown: shown() }, 7, ITEM, 'ru');
    expect(change).toEqual({
      do: 'put',
      close: false,
      task: {
        title: 'Directum: Согласуйте договор',
        description:
          'Выполните задание в Directum: здесь задача закроется сама.\nЗадание: https://rx/assignment/1\nДокумент: Договор «Поставка» https://rx/5001',
        responsibleUserId: 7,
        deadline: '2026-03-05T18:00:00+03:00',
        item: ITEM,
      },
    });
  });

  it('changes with deadline and performer, and with nothing else', () => {
    const hash = (more: Parameters<typeof assignment>[1]) => wanted(assignment(1, more))[0]?.hash;
    expect(hash({ modified: '2026-03-09T00:00:00Z' })).toBe(hash({}));
    expect(hash({ deadline: '2026-03-06T18:00:00+03:00' })).not.toBe(hash({}));
    expect(hash({ performer: { id: 35, name: 'Пётр', email: 'petr@acme.example' } })).not.toBe(hash({}));
  });

  it.each([
    ['Completed', 'Approved', null],
    ['Completed', 'Forward', 'Задание в Directum передано другому сотруднику.'],
    ['Aborted', null, 'Задание в Directum прекращено: делать ничего не нужно.'],
  ])('is closed when the assignment is %s (%s)', (status, result, note) => {
    const ended = shown({ status, result });
    expect(toTaskChange({ taskId: 55, tried: true, shown: ended }, 7, ITEM, 'ru')).toEqual({
      do: 'close',
      note,
      ended: true,
    });
  });

  it('that may exist without a known id is found and closed; one never begun is left', () => {
    const ended = shown({ status: 'Completed', result: 'Approved' });
    expect(toTaskChange({ taskId: null, tried: true, shown: ended }, 7, ITEM, 'ru')).toMatchObject({
      do: 'put',
      close: true,
    });
    expect(toTaskChange({ taskId: null, tried: false, shown: ended }, 7, ITEM, 'ru')).toEqual({ do: 'end' });
  });

  it('is not made for a person the portal does not know, and taken from the one before', () => {
    expect(toTaskChange({ taskId: null, tried: false, shown: shown() }, null, ITEM, 'en')).toEqual({
      do: 'nothing',
    });
    expect(toTaskChange({ taskId: 55, tried: true, shown: shown() }, null, ITEM, 'en')).toMatchObject({
      do: 'close',
      ended: false,
    });
  });

  it('stays while the work is only suspended', () => {
    expect(wanted(assignment(1, { status: 'Suspended' }))[0]?.open).toBe(true);
  });
});
