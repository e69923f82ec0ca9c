import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
/** A working folder without an `.env`. */
const cwd = fileURLToPath(new URL('.', import.meta.url));

/** Nothing of this environment but what a program needs to run at all. */
function environment(env: Record<string, string>): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TMPDIR: tmpdir(), ...env };
}

const fileOf = (path: string) => fileURLToPath(new URL(path, ROOT));

/** Starts the package as a user would, as a process of its own. */
export function startPackage(env: Record<string, string>): { child: ChildProcess; output: () => string } {
  let output = '';
  const child = spawn(process.execPath, [fileOf('src/main.ts')], {
    cwd,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { child, output: () => output };
}

/** What a command of the package prints, and how it ends. */
export function runCommand(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [fileOf(`scripts/${name}.ts`), ...args],
      { cwd, env: environment(env) },
      (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, out: stdout || stderr }),
    );
  });
}

/** What `npm run reconcile` prints. @throws when it ends with another exit code than 0 */
export async function runReconcile(env: Record<string, string>): Promise<string[]> {
  const { code, out } = await runCommand('reconcile', [], env);
  if (code !== 0) throw new Error(out);
  return out.trim().split('\n');
}
