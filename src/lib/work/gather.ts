/** So many questions of one kind are under way before the next ones are gathered. */
const AT_ONCE = 2;
/** A question that takes longer than this holds nobody up: it may hang. */
const SLOW_MS = 1_000;

interface Waiting<K, A> {
  key: K;
  resolve(answer: A): void;
  reject(error: unknown): void;
}

/**
 * Questions that are asked at one moment go out together. The first ones go at once and alone, so that nothing is delayed
 * where little is asked; those that come while they are under way share the next one. So an answer is never older than the
 * call that it is for. `group` says how many of the first keys one question can hold. What `many` leaves out, or cannot ask,
 * is asked for alone: it answers null then, or a list with undefined in the place of a key.
 */
export function createGather<K, A>({
  one,
  many,
  group,
}: {
  one(key: K): Promise<A>;
  many(keys: K[]): Promise<readonly (A | undefined)[] | null>;
  group(keys: readonly K[]): number;
}): (key: K) => Promise<A> {
  const waiting: Waiting<K, A>[] = [];
  const running = new Set<{ since: number }>();
  let timer: NodeJS.Timeout | null = null;

  const alone = ({ key, resolve, reject }: Waiting<K, A>) => one(key).then(resolve, reject);

  async function ask(asked: Waiting<K, A>[]): Promise<void> {
    const [first] = asked;
    if (first !== undefined && asked.length === 1) return alone(first);
    let answers: readonly (A | undefined)[] | null;
    try {
      answers = await many(asked.map(({ key }) => key));
    } catch (error) {
      for (const { reject } of asked) reject(error);
      return;
    }
    await Promise.all(
      asked.map((each, at) => {
        const answer = answers?.[at];
        return answer === undefined ? alone(each) : each.resolve(answer);
      }),
    );
  }

  function start(asked: Waiting<K, A>[]): void {
    const question = { since: performance.now() };
    running.add(question);
    void ask(asked).finally(() => {
      running.delete(question);
      next();
    });
  }

  function next(): void {
    const isSlow = ({ since }: { since: number }) => performance.now() - since >= SLOW_MS;
    while (waiting.length > 0 && [...running].filter((one) => !isSlow(one)).length < AT_ONCE) {
      const count = Math.max(1, group(waiting.map(({ key }) => key)));
      start(waiting.splice(0, count));
    }
    if (waiting.length === 0 || timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      next();
    }, SLOW_MS);
    timer.unref();
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      next();
    });
}
