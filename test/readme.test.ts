import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCS = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const texts = new Map(DOCS.map((name) => [name, readFileSync(join(ROOT, name), 'utf8')]));
const text = (name: string) => texts.get(name) ?? '';

/** Inside the project, so that the project's own parts and their types are found. */
const folder = mkdtempSync(join(ROOT, 'test', 'readme-blocks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('every ts block compiles under the settings of the project', { timeout: 120_000 }, async () => {
  const blocks = DOCS.flatMap((name) =>
    [...text(name).matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? ''),
  );
  expect(blocks.length).toBeGreaterThan(0);
  for (const [index, block] of blocks.entries()) {
    // A block is written as it stands in robots/; here that folder's neighbours are one step further up.
    writeFileSync(join(folder, `block-${index}.ts`), block.replaceAll("from '../", "from '../../"));
  }
  // The robot that the example of a test stands beside.
  const robot = 'registration-date.ts';
  copyFileSync(join(ROOT, 'test', 'fixtures', 'own-robots', robot), join(folder, robot));
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
  );
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { failed, output } = await promisify(execFile)(process.execPath, [
    tsc,
    '--noEmit',
    '-p',
    folder,
  ]).then(
    () => ({ failed: false, output: '' }),
    (error: { stdout?: string; message: string }) => ({
      failed: true,
      output: error.stdout || error.message,
    }),
  );
  expect({ failed, output }).toEqual({ failed: false, output: '' });
});

it('every npm command exists, with the file it starts', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const name of DOCS) {
    const commands = [...text(name).matchAll(/\bnpm (?:run ([\w-]+)|(start|test)\b)/g)];
    for (const [, run, short] of commands) {
      const command = run ?? short ?? '';
      const file = /^node (\S+\.ts)/.exec(scripts[command] ?? '')?.[1];
      expect(scripts, `${name}: npm run ${command}`).toHaveProperty([command]);
      expect(file === undefined || existsSync(join(ROOT, file)), `${name}: ${command} starts ${file}`).toBe(
        true,
      );
    }
  }
});

it('every link and every named file leads somewhere', () => {
  for (const name of DOCS) {
    const links = [...text(name).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) =>
      join(dirname(name), match[1] ?? ''),
    );
    const paths = [...text(name).matchAll(/`((?:src|test|robots|scripts|docs)\/[\w./-]+)`/g)].map(
      (match) => match[1] ?? '',
    );
    for (const path of [...links, ...paths])
      expect(existsSync(join(ROOT, path)), `${name}: ${path}`).toBe(true);
  }
});

it('both guides say what to do about every error code', () => {
  const union =
    /export type ErrorCode =([^;]+);/.exec(readFileSync(join(ROOT, 'src/robot/failure.ts'), 'utf8'))?.[1] ??
    '';
  const codes = [...union.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
  expect(codes.length).toBeGreaterThan(20);
  for (const guide of ['docs/admin-guide.ru.md', 'docs/admin-guide.en.md']) {
    const rows = text(guide)
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .join('\n');
    expect(
      codes.filter((code) => !rows.includes(`\`${code}\``)),
      guide,
    ).toEqual([]);
  }
});
