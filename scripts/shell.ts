interface Sink {
  write(text: string, done?: () => void): unknown;
}

/** What a command gets from whoever gives it; `process` is one. */
export interface Shell {
  argv: string[];
  env: NodeJS.ProcessEnv;
  stdout: Sink;
  stderr: Sink;
}
