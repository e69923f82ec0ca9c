import { expect, it } from 'vitest';
import { createGather } from '../../../src/lib/work/gather.ts';

/** Questions that wait for the test to answer. */
function stand(most = 10) {
  const asked: number[][] = [];
  const answers: (() => void)[] = [];
  const reply = <T>(keys: number[], value: () => T) => {
    asked.push(keys);
    return new Promise<T>((resolve, reject) => {
      answers.push(() => {
        try {
          resolve(value());
        } catch (error) {
          reject(error);
        }
      });
    });
  };
  let refuses = false;
  const ask = createGather<number, string>({
    one: (key) =>
      reply([key], () => {
        if (key < 0) throw new Error(`no ${key}`);
        return `one ${key}`;
      }),
    many: (keys) =>
      reply(keys, () => (refuses ? null : keys.map((key) => (key % 7 === 0 ? undefined : `many ${key}`)))),
    group: (keys) => Math.min(keys.length, most),
  });
  return {
    ask,
    asked,
    refuse: () => {
      refuses = true;
    },
    /** Answers what is asked, until nothing is. */
    async settle() {
      while (answers.length > 0) {
        for (const answer of answers.splice(0)) answer();
        await new Promise((done) => setImmediate(done));
      }
    },
  };
}

it('asks at once and alone where little is asked, and together what comes meanwhile', async () => {
  const { ask, asked, settle } = stand(4);
  const all = Promise.all([1, 2, 3, 4, 5, 6, 8].map(ask));
  expect(asked).toEqual([[1], [2]]);
  await settle();
  expect(asked).toEqual([[1], [2], [3, 4, 5, 6], [8]]);
  expect(await all).toEqual(['one 1', 'one 2', 'many 3', 'many 4', 'many 5', 'many 6', 'one 8']);
});

it('never answers with a question that was asked before', async () => {
  const { ask, asked, settle } = stand();
  const first = ask(1);
  const second = ask(1);
  expect(asked).toEqual([[1], [1]]);
  await settle();
  await Promise.all([first, second]);
});

it('asks alone for what a common question leaves out or is refused; one failure is nobody else’s', async () => {
  const { ask, asked, refuse, settle } = stand();
  const some = Promise.allSettled([1, 2, 3, 7].map(ask));
  await settle();
  expect(asked).toEqual([[1], [2], [3, 7], [7]]);
  expect((await some).at(-1)).toEqual({ status: 'fulfilled', value: 'one 7' });
  refuse();
  asked.length = 0;
  const others = Promise.allSettled([1, 2, 3, -5].map(ask));
  await settle();
  expect(asked).toEqual([[1], [2], [3, -5], [3], [-5]]);
  expect((await others).map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
  ]);
});

it('is held up by no question that hangs', async () => {
  const { ask, asked } = stand();
  for (const key of [1, 2, 3]) void ask(key);
  expect(asked).toEqual([[1], [2]]);
  await expect.poll(() => asked, { timeout: 3_000 }).toEqual([[1], [2], [3]]);
});
