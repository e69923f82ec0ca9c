import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createHealthProbe } from '../../../src/lib/work/health-probe.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('tells within a minute of what falls silent, and of what answers again', async () => {
  let answer: () => Promise<void> = async () => undefined;
  const pulse = createHealthProbe(() => answer(), { everyMs: 30_000, limitMs: 20_000 });
  await pulse.first;
  expect(pulse.state()).toBe('ok');
  // As a host that takes connections and says nothing.
  answer = () => new Promise(() => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(pulse.state()).toBe('down');
  answer = async () => undefined;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(pulse.state()).toBe('ok');
  answer = () => Promise.reject(new Error('refused'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(pulse.state()).toBe('down');
  pulse.stop();
});
