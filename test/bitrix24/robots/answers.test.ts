import { afterEach, describe, expect, it } from 'vitest';
import { fakePortal, installed, MEMBER, type Methods, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function start(methods: Methods, raw?: Parameters<typeof fakePortal>[1]) {
  const portal = await fakePortal(methods, raw);
  open.push(portal);
  return { portal, made: await installed(portal) };
}

const answers = (...tokens: string[]) =>
  tokens.map((eventToken) => ({ eventToken, values: { ok: 'Y', error_code: '', n: 5 }, log: 'done' }));
const methodsOf = (portal: { hits: { method: string }[] }) => portal.hits.map(({ method }) => method);

describe('answers', () => {
  it('one goes alone, many in one hit, empty outputs included', async () => {
    const got: unknown[] = [];
    const { portal, made } = await start({
      'bizproc.event.send': (params) => {
        got.push(params);
        return true;
      },
    });
    expect(await made.answers.send(MEMBER, answers('a'), 'answer')).toEqual(['sent']);
    expect(await made.answers.send(MEMBER, answers('b', 'c'), 'repeat')).toEqual(['sent', 'sent']);
    expect(methodsOf(portal)).toEqual(['bizproc.event.send', 'batch']);
    expect(got[1]).toEqual({
      EVENT_TOKEN: 'b',
      RETURN_VALUES: { ok: 'Y', error_code: '', n: '5' },
      LOG_MESSAGE: 'done',
    });
    expect(made.taken.map(([, priority]) => priority)).toEqual(['answer', 'repeat']);
  });

  it('each has its own fate', async () => {
    const { made } = await start({
      'bizproc.event.send': ({ EVENT_TOKEN }) =>
        (
          ({
            good: () => true,
            number: () => refuse(404),
            words: () => refuse('', 400, 'Бизнес-процесс не найден'),
            english: () => refuse('X', 400, 'The business process is not found'),
            named: () => refuse('X', 400, 'Deal "The business process is not found" cannot be saved'),
            bad: () => refuse('ACCESS_DENIED', 403, 'Access denied!'),
            busy: () => refuse('OPERATION_TIME_LIMIT', 429),
          }) as Record<string, () => unknown>
        )[EVENT_TOKEN]?.(),
    });
    const fates = await made.answers.send(
      MEMBER,
      answers('good', 'number', 'words', 'english', 'named', 'bad', 'busy'),
      'answer',
    );
    expect(fates).toEqual([
      'sent',
      'gone',
      'gone',
      'gone',
      { refused: 'X' },
      { refused: 'ACCESS_DENIED' },
      { blockedMs: 10_000 },
    ]);
  });

  it('go one by one, and from then on, where the portal takes no batch', async () => {
    const { portal, made } = await start({
      batch: () => refuse('ERROR_BATCH_METHOD_NOT_ALLOWED', 405),
      'bizproc.event.send': () => true,
    });
    expect(await made.answers.send(MEMBER, answers('a', 'b'), 'answer')).toEqual(['sent', 'sent']);
    expect(await made.answers.send(MEMBER, answers('c', 'd'), 'answer')).toEqual(['sent', 'sent']);
    expect(methodsOf(portal)).toEqual(['batch', ...Array(4).fill('bizproc.event.send')]);
  });

  it('none takes the batch with it that cannot be written in one', async () => {
    const got: string[] = [];
    const { made } = await start({
      'bizproc.event.send': ({ EVENT_TOKEN, RETURN_VALUES }) =>
        got.push(`${EVENT_TOKEN} ${RETURN_VALUES['ok']}`),
    });
    const [first, second] = answers('a', 'b');
    const odd = { eventToken: 'odd', values: { ok: 'Y', ['half \ud83d']: 'half \udc00' } };
    expect(await made.answers.send(MEMBER, [first!, odd, second!], 'answer')).toEqual([
      'sent',
      'sent',
      'sent',
    ]);
    expect(got).toEqual(['a Y', 'odd Y', 'b Y']);
  });

  it.each([
    [403, 'first'],
    [500, 'first'],
    [500, 'middle'],
    [502, 'last'],
  ])(
    'none takes the batch with it on which something before the portal breaks with %i (%s)',
    async (status, where) => {
      const { made } = await start({ 'bizproc.event.send': () => true }, (_request, response, text) => {
        if (!text.includes('poison')) return false;
        response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Blocked</h1>');
        return true;
      });
      const tokens = ['a', 'b', 'c', 'd', 'e'];
      tokens[{ first: 0, middle: 2, last: 4 }[where] as number] = 'poison';
      const fates = await made.answers.send(MEMBER, answers(...tokens), 'answer');
      expect(fates).toEqual(tokens.map((token) => (token === 'poison' ? 'retry' : 'sent')));
    },
  );

  it('are not tried one by one on a portal that is away', async () => {
    const { portal, made } = await start({}, (_request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
      return true;
    });
    const all = answers(...Array.from({ length: 25 }, (_, n) => `t${n}`));
    expect(new Set(await made.answers.send(MEMBER, all, 'answer'))).toEqual(new Set(['retry']));
    expect(portal.hits.length).toBeLessThanOrEqual(3);
  });

  it('go one by one where the portal refuses the method inside the batch', async () => {
    const { portal, made } = await start({
      batch: ({ cmd }) => ({
        result: [],
        result_error: Object.fromEntries(
          Object.keys(cmd).map((key) => [key, { error: 'ERROR_BATCH_METHOD_NOT_ALLOWED' }]),
        ),
      }),
      'bizproc.event.send': () => true,
    });
    expect(await made.answers.send(MEMBER, answers('a', 'b'), 'answer')).toEqual(['sent', 'sent']);
    expect(portal.hits).toHaveLength(3);
  });

  it.each([
    ['QUERY_LIMIT_EXCEEDED', 503, 3],
    ['OVERLOAD_LIMIT', 503, 1],
    ['INTERNAL_SERVER_ERROR', 500, 1],
  ])('all wait after %s', async (code, status, hits) => {
    const { portal, made } = await start({ batch: () => refuse(code, status) });
    expect(await made.answers.send(MEMBER, answers('a', 'b'), 'answer')).toEqual(['retry', 'retry']);
    expect(portal.hits).toHaveLength(hits);
  });

  it('wait as long as the portal says that they are blocked, and make no further hit meanwhile', async () => {
    const reset = { operating: 420, operating_reset_at: 1_000_180, finish: 1_000_000 };
    const error = { error: 'OPERATION_TIME_LIMIT', error_description: 'Method is blocked' };
    const portal = await fakePortal({}, (req, res, body) => {
      const { cmd = {} } = JSON.parse(body);
      const keys = Object.keys(cmd);
      const each = (value: unknown) => Object.fromEntries(keys.slice(1).map((key) => [key, value]));
      const first = { [keys[0] ?? '']: true };
      const result = { result: first, result_error: each(error), result_time: each(reset) };
      portal.hits.push({ method: String(req.url), params: {}, token: '' });
      if (keys.length > 0) res.end(JSON.stringify({ result, time: { operating: 0 } }));
      else res.writeHead(429).end(JSON.stringify({ ...error, time: reset }));
      return true;
    });
    open.push(portal);
    const made = await installed(portal);
    const blocked = { blockedMs: expect.closeTo(180_000, -3) };
    expect(await made.answers.send(MEMBER, answers('a', 'b', 'c'), 'answer')).toEqual([
      'sent',
      blocked,
      blocked,
    ]);
    expect(await made.answers.send(MEMBER, answers('d'), 'answer')).toEqual([blocked]);
    const references = ['e', 'f'].map((eventToken) => ({ eventToken, values: { t: '$result[x]' } }));
    expect(await made.answers.send(MEMBER, references, 'answer')).toEqual([blocked, blocked]);
    expect(portal.hits).toHaveLength(1);
  });

  it('wait until the moment that the portal names inside a batch, also without its own clock', async () => {
    const until = Date.parse('2026-09-01T10:03:00Z') / 1_000;
    const error = { error: 'OPERATION_TIME_LIMIT', error_description: 'Method is blocked' };
    const { made } = await start({
      batch: () => ({
        result: [],
        result_error: { w0: error, w1: { ...error, operating_reset_at: until } },
        result_time: { w0: { operating: 420, operating_reset_at: until } },
      }),
    });
    const blocked = { blockedMs: 180_000 };
    expect(await made.answers.send(MEMBER, answers('a', 'b'), 'answer')).toEqual([blocked, blocked]);
  });

  it.each([
    ['ERROR_METHOD_NOT_FOUND', 404, 'Method not found!'],
    ['ACCESS_DENIED', 401, 'REST is available only on commercial plans.'],
    ['user_access_error', 401, 'The user does not have access to the application.'],
    ['insufficient_scope', 403, 'The request requires higher privileges.'],
    ['METHOD_CONFIRM_DENIED', 403, 'Denied'],
    ['INVALID_CREDENTIALS', 403, 'Invalid request credentials'],
  ])('wait while the portal takes no answers at all: %s', async (code, status, words) => {
    const { made } = await start({ 'bizproc.event.send': () => refuse(code, status, words) });
    expect(await made.answers.send(MEMBER, answers('a'), 'answer')).toEqual(['retry']);
    expect(await made.answers.send(MEMBER, answers('a', 'b'), 'answer')).toEqual(['retry', 'retry']);
  });

  it('whose text looks like a reference travel alone', async () => {
    const got: string[] = [];
    const { portal, made } = await start({
      'bizproc.event.send': (params) => {
        got.push(params['RETURN_VALUES'].t);
        return true;
      },
    });
    const tricky = { eventToken: 'c', values: { t: '$result[a0][secret]' } };
    expect(await made.answers.send(MEMBER, [...answers('a', 'b'), tricky], 'answer')).toEqual([
      'sent',
      'sent',
      'sent',
    ]);
    expect(got.at(-1)).toBe('$result[a0][secret]');
    expect(methodsOf(portal)).toEqual(['batch', 'bizproc.event.send']);
  });
});
