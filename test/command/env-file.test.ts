import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { parseEnvFile } from '../../src/command/env-file.ts';

const read = (text: string) => parseEnvFile(Buffer.from(text));
const folder = mkdtempSync(join(tmpdir(), 'env-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('reads values as they are written by hand on any system', () => {
  const lines = [
    '# settings',
    'PUBLIC_URL=https://directum.example',
    'DIRECTUM_PASSWORD=\'pa#ss "word"\'',
    'BITRIX24_CLIENT_SECRET="a\\"b\\\\c\\n" # comment',
    'export DIRECTUM_LOGIN=bitrix24',
    'PORT = 3000   # the usual',
    'OPS_TOKEN=to#ken',
    'TIME_ZONE=',
    'HOST=   # none',
    '  A.B',
  ];
  const { values, problems } = read(`\uFEFF${lines.slice(0, -1).join('\r\n')}\r\n`);
  expect(problems).toEqual([]);
  expect(values).toEqual({
    PUBLIC_URL: 'https://directum.example',
    DIRECTUM_PASSWORD: 'pa#ss "word"',
    BITRIX24_CLIENT_SECRET: 'a"b\\c\\n',
    DIRECTUM_LOGIN: 'bitrix24',
    PORT: '3000',
    OPS_TOKEN: 'to#ken',
    TIME_ZONE: '',
    HOST: '',
  });
});

it('names a line it cannot read, without what stands in it', () => {
  const { values, problems } = read("A=1\nPORT: canary-1\nB=\"canary-2\nC=3\nD='canary' 4\n");
  expect(values).toEqual({ A: '1', C: '3' });
  expect(problems.map(({ name }) => name)).toEqual(['.env:2', '.env:3', '.env:5']);
  expect(JSON.stringify(problems)).not.toContain('canary');
});

it('refuses a file that is no UTF-8 text', () => {
  const { values, problems } = parseEnvFile(Buffer.from('\uFEFFPORT=3000\r\n', 'utf16le'));
  expect(values).toEqual({});
  expect(problems).toEqual([
    { name: '.env', text: { en: expect.stringContaining('UTF-8'), ru: expect.any(String) } },
  ]);
});

it('gives every value that a shell gives', () => {
  const letters = fc.constantFrom('a', '7', '#', '$', '"', '\\', ' ', '=', 'ё', '/', '!', '`', ';');
  const value = fc.array(letters, { maxLength: 12 }).map((all) => all.join(''));
  const written = fc.oneof(
    value.map((text) => ({ text, line: `'${text}'` })),
    value.map((text) => ({ text, line: `"${text.replace(/[\\"$`]/g, '\\$&')}"` })),
    value
      .filter((text) => !/[\s"'\\$`;!]/.test(text) && !text.startsWith('#'))
      .map((text) => ({ text, line: text })),
  );
  const all: { text: string; line: string }[] = fc.sample(written, 300);
  const file = all.map(({ line }, index) => `V${index}=${line}`).join('\n');
  const { values, problems } = read(file);
  expect(problems).toEqual([]);
  for (const [index, { text, line }] of all.entries())
    expect({ line, value: values[`V${index}`] }).toEqual({ line, value: text });
  // The control: the same file, sourced.
  const path = join(folder, 'values');
  writeFileSync(path, file);
  const print = all.map((_, index) => `printf '%s\\n' "$V${index}"`).join('\n');
  const { stdout } = spawnSync('/bin/sh', ['-c', `. ${path}\n${print}`], { encoding: 'utf8' });
  expect(stdout.split('\n').slice(0, -1)).toEqual(all.map(({ text }) => text));
});
