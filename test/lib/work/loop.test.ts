import { expect, it } from 'vitest';
import { createLoop } from '../../../src/lib/work/loop.ts';
import { quietLog } from '../../directum/stand.ts';

it('hears a wake-up at any moment, also while it is ending', async () => {
  for (let late = 0; late < 12; late += 1) {
    let works = 0;
    const loop = createLoop(async () => {
      works += 1;
      return false;
    }, quietLog);
    loop.wake();
    for (let turn = 0; turn < late; turn += 1) await Promise.resolve();
    const before = works;
    loop.wake();
    await new Promise((resolve) => setImmediate(resolve));
    expect({ late, again: works > before }).toEqual({ late, again: true });
    await loop.stop();
  }
});
