import { expect, it, vi } from 'vitest';
import { createBatchPace } from '../../../src/runs/answer/batch-pace.ts';

it('a batch that is not full holds the next ones for two seconds, but only while runs end by the dozen', () => {
  vi.useFakeTimers();
  try {
    const woken = vi.fn();
    const busy = new Set(['mass']);
    const pace = createBatchPace({ batch: 25, isBusy: (memberId) => busy.has(memberId), wake: woken });
    pace.left('idle', 1);
    pace.left('mass', 25);
    expect([pace.isOpen('idle'), pace.isOpen('mass')]).toEqual([true, true]);
    pace.left('mass', 24);
    expect([pace.isOpen('idle'), pace.isOpen('mass')]).toEqual([true, false]);
    vi.advanceTimersByTime(1_999);
    expect([pace.isOpen('mass'), woken.mock.calls.length]).toEqual([false, 0]);
    vi.advanceTimersByTime(2);
    expect([pace.isOpen('mass'), woken.mock.calls.length]).toEqual([true, 1]);
  } finally {
    vi.useRealTimers();
  }
});
