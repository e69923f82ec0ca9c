import { join } from 'node:path';
import { type Config, ConfigError, type Problem, parseConfig } from '../config.ts';
import { redact } from '../log.ts';
import type { Language, LocalText } from '../robot/failure.ts';
import { type Declaration, type Options, readArguments, toHelp, toUsage, type Values } from './arguments.ts';
import { readEnvFile } from './env-file.ts';
import { tell } from './trouble.ts';

interface Sink {
  write(text: string, done?: () => void): unknown;
  isTTY?: boolean;
}

/** What a command gets from the shell; `process` is one. */
interface Shell {
  argv: string[];
  env: Readonly<Record<string, string | undefined>>;
  stdout: Sink;
  stderr: Sink;
  /** What is wrong with the file that some settings come from. */
  problems?: readonly Problem[];
}

/** Does its work and answers the exit code. */
export type Command = (shell: Shell) => Promise<number>;

/** A reason for the operator; the command ends with exit code 1. */
export class Refusal extends Error {
  readonly text: LocalText;
  constructor(text: LocalText) {
    super(text.en);
    this.text = text;
  }
}

/** The command was given in a form it does not have; the usage is shown too. */
export class Misuse extends Refusal {}

/** A command as it was given, and its ways to answer. */
export interface Order<O extends Options> {
  values: Values<O>;
  words: string[];
  shell: Shell;
  /** Of all words for people. */
  language: Language;
  /** @throws ConfigError with everything that is wrong with the settings */
  config(): Config;
  say(text: LocalText): string;
  print(line: string): void;
  /** A line beside the result, for people. */
  warn(line: string): void;
  /** What is going on now, on a terminal only; the next one, or a line, takes its place. */
  progress(text: LocalText): void;
}

/** Russian when LANG begins with `ru`, else English (interface.md §4). */
function toShellLanguage(env: Shell['env']): Language {
  return /^ru/i.test(env['LANG'] ?? '') ? 'ru' : 'en';
}

/**
 * Makes a command of its declaration and its work: reads what was given, answers `--help`, refuses what it does not know,
 * and says in one language what went wrong (interface.md §4).
 */
export function defineCommand<const O extends Options>(
  declared: Declaration<O>,
  work: (order: Order<O>) => Promise<number>,
): Command {
  return async (shell) => {
    const language = toShellLanguage(shell.env);
    const { stdout, stderr } = shell;
    const misused = (wrong: string) => {
      stderr.write(`${wrong}\n${toUsage(declared, language)}\n`);
      return 1;
    };
    const given = readArguments(declared, shell.argv.slice(2));
    if ('wrong' in given) return misused(given.wrong[language]);
    if (given.help) {
      stdout.write(`${toHelp(declared, language)}\n`);
      return 0;
    }
    const line = createProgressLine(stderr);
    const order: Order<O> = {
      ...given,
      shell,
      language,
      config: () => parseConfig(shell.env, shell.problems),
      say: (text) => text[language],
      print(text) {
        line.clear();
        stdout.write(`${text}\n`);
      },
      warn(text) {
        line.clear();
        stderr.write(`${text}\n`);
      },
      progress: (text) => line.show(text[language]),
    };
    try {
      return await work(order);
    } catch (error) {
      line.clear();
      if (error instanceof Misuse) return misused(error.text[language]);
      stderr.write(`${tell(error, configOf(shell))[language]}\n`);
      const isOwn = error instanceof Refusal || error instanceof ConfigError;
      if (!isOwn && /^(debug|trace)$/.test(shell.env['LOG_LEVEL'] ?? '') && error instanceof Error)
        stderr.write(`${redact(error.stack ?? '')}\n`);
      return 1;
    } finally {
      line.clear();
    }
  };
}

/** Gives a command the environment and, behind it, the `.env` of the working folder. @returns its exit code */
export function obey(command: Command, shell: Shell & { cwd(): string }): Promise<number> {
  const { values, problems } = readEnvFile(join(shell.cwd(), '.env'));
  const { argv, env, stdout, stderr } = shell;
  return command({ argv, env: { ...values, ...env }, stdout, stderr, problems });
}

/** The settings, for messages that name them; null while they cannot be used. */
function configOf({ env }: Shell): Config | null {
  try {
    return parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** One line that is overwritten again and again, on a terminal only. */
function createProgressLine(sink: Sink) {
  let shown = '';
  const put = (text: string) => {
    if (!sink.isTTY || text === shown) return;
    sink.write(`\r\x1b[K${text}`);
    shown = text;
  };
  return { show: put, clear: () => put('') };
}
