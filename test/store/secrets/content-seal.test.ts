import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createContentSeal } from '../../../src/store/secrets/content-seal.ts';
import { createSecretKeys } from '../../../src/store/secrets/secrets.ts';
import { memoryLog } from '../bench.ts';

const keysOf = (...ids: string[]) =>
  createSecretKeys(new Map(ids.map((id) => [id, Buffer.alloc(32, id.charCodeAt(0))])));

async function sealOf(keys = keysOf('a'), isOlderConnected = async () => false) {
  const lines: Parameters<typeof memoryLog>[0] = [];
  const content = createContentSeal({ keys, isOlderConnected, log: memoryLog(lines) });
  await content.look();
  return { content, lines };
}

/** As a jsonb column gives back what was written into it. */
const column = (text: string | null) => (text === null ? null : JSON.parse(text));

it('opens whatever JSON holds, only as what it was sealed for, and shows nothing of it', async () => {
  const { content } = await sealOf();
  fc.assert(
    fc.property(
      fc.jsonValue().filter((value) => value !== null),
      (value) => {
        const kept = column(content.toColumn('run.outcome', value));
        expect(kept).toMatch(/^v1\.a\.[\w.-]+$/);
        expect(content.open('run.outcome', kept)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(content.open('run.text', kept)).toBeNull();
      },
    ),
  );
  expect(content.toColumn('run.outcome', null)).toBeNull();
});

it('opens what earlier keys sealed, and reads as it is what an earlier version wrote', async () => {
  const { content: earlier } = await sealOf(keysOf('a'));
  const { content: later } = await sealOf(keysOf('b', 'a'));
  const kept = column(earlier.toColumn('run.text', { ru: 'Нет прав.' }));
  expect(later.open('run.text', kept)).toEqual({ ru: 'Нет прав.' });
  expect(later.toColumn('run.text', { ru: 'Нет прав.' })).toMatch(/^"v1\.b\./);
  expect(later.open('run.text', { ru: 'Нет прав.' })).toEqual({ ru: 'Нет прав.' });
});

it('has nothing where the key is gone, and says so once for each content', async () => {
  const { content: earlier } = await sealOf(keysOf('a'));
  const { content, lines } = await sealOf(keysOf('b'));
  const texts = [1, 2].map((n) => column(earlier.toColumn('run.text', { ru: `Текст ${n}` })));
  expect(texts.map((kept) => content.open('run.text', kept))).toEqual([null, null]);
  expect(content.open('wait.facts', column(earlier.toColumn('wait.facts', { a: 1 })))).toBeNull();
  expect(lines.map(({ event, facts }) => [event, facts['content']])).toEqual([
    ['content.unreadable', 'run.text'],
    ['content.unreadable', 'wait.facts'],
  ]);
  expect(JSON.stringify(lines)).not.toContain('v1.a');
});

it('seals only once no process of an earlier version, which could not read it, is connected', async () => {
  let older = true;
  let asked = 0;
  const { content } = await sealOf(keysOf('a'), async () => {
    asked += 1;
    return older;
  });
  expect(content.toColumn('run.text', { ru: 'Да' })).toBe('{"ru":"Да"}');
  older = false;
  await content.look();
  expect(content.toColumn('run.text', { ru: 'Да' })).toMatch(/^"v1\.a\./);
  older = true;
  await content.look();
  expect(content.isOn()).toBe(true);
  expect(asked).toBe(2);
});
