import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backup } from '../../scripts/backup.ts';
import { check } from '../../scripts/check.ts';
import { doctor } from '../../scripts/doctor.ts';
import { journal } from '../../scripts/journal.ts';
import { reconcile } from '../../scripts/reconcile.ts';
import { register } from '../../scripts/register.ts';
import { restore } from '../../scripts/restore.ts';
import { rules } from '../../scripts/rules.ts';
import { runs } from '../../scripts/runs.ts';

/**
 * For processes that a test starts: Node keeps what it compiled, where it does so by default for those who ask for it, and a
 * command begins in half the time.
 */
export const NODE_CACHE = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };

export interface Ended {
  code: number;
  out: string;
  err: string;
}

type Settings = Record<string, string | undefined>;
const COMMANDS = { backup, check, doctor, journal, reconcile, register, restore, rules, runs };
export type Command = keyof typeof COMMANDS;

/** A command beside the service or without it, in the test's own process: Node need not start each time. */
export const runCommand = (name: Command, args: string[], env: Settings): Promise<Ended> =>
  give(name, args, env, false);

/** The same, of somebody who sits at a terminal. */
export const runOnTerminal = (name: Command, args: string[], env: Settings): Promise<Ended> =>
  give(name, args, env, true);

async function give(name: Command, args: string[], env: Settings, isTTY: boolean): Promise<Ended> {
  const ended: Ended = { code: 0, out: '', err: '' };
  const into = (where: 'out' | 'err') => ({
    isTTY,
    write(text: string, done?: () => void) {
      ended[where] += text;
      done?.();
    },
  });
  const argv = [process.execPath, name, ...args];
  ended.code = await COMMANDS[name]({ argv, env, stdout: into('out'), stderr: into('err') });
  return ended;
}

/**
 * The same as a process, as an operator gives it: `file` is a command's name, or a file of the repository. Its working
 * folder has no `.env` unless it is given one.
 */
export function runProcess(
  file: Command | (string & {}),
  args: string[],
  env: Settings,
  cwd: string = fileURLToPath(new URL('.', import.meta.url)),
): Promise<Ended> {
  const path = file.includes('/') ? file : `scripts/${file}.ts`;
  const script = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args],
      { cwd, env: { PATH: process.env['PATH'], ...NODE_CACHE, ...env }, timeout: 60_000 },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}
