import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url));

it('the demo brings a deal through its robots and shows what it is told of its contract, whatever stands in the environment, and ends by itself', async () => {
  const env = { PATH: process.env['PATH'], DIRECTUM_URL: 'not an address', BITRIX24_RATE: 'fast' };
  const cwd = await mkdtemp(join(tmpdir(), 'demo-'));
  await writeFile(join(cwd, '.env'), 'DATABASE_URL=postgresql://nobody@127.0.0.1:9/none\nPORT=fast\n');
  const { code, out } = await new Promise<{ code: number; out: string }>((resolve) =>
    execFile(process.execPath, [SCRIPT, '--once'], { cwd, env, timeout: 150_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out: stdout + stderr }),
    ),
  );
  expect(out.match(/^step \d+\/18 /gm)?.map((line) => Number(line.split(/[ /]/)[1]))).toEqual(
    Array.from({ length: 18 }, (_, index) => index + 1),
  );
  expect(out).toMatch(/^ +> DEAL_\d+ /m);
  expect(out.trimEnd().split('\n').at(-1)).toMatch(
    /^OK deal \d+ shows contract \d+ of Directum, signed by both sides$/,
  );
  expect(code).toBe(0);
  expect(await readdir(cwd)).toEqual(['.env']);
  await rm(cwd, { recursive: true });
}, 160_000);
