import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number;
  out: string;
  err: string;
}

/** A command as an operator gives it, beside the service or without it. */
export function runCommand(
  name: 'doctor' | 'runs' | 'backup' | 'restore',
  args: string[],
  env: Record<string, string | undefined>,
): Promise<Ended> {
  const script = fileURLToPath(new URL(`../../scripts/${name}.ts`, import.meta.url));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args],
      { env: { PATH: process.env['PATH'], ...env }, timeout: 25_000 },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}
