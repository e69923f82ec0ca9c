import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { residentMegabytes } from '../../scripts/bench/process.ts';
import { NODE_CACHE } from './command.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const HURRIED = fileURLToPath(new URL('./service-process.ts', import.meta.url));

/**
 * The service as a process of its own, ready to take calls. `main` is what an operator starts; without it a killed
 * process's runs are taken up sooner. @throws when it ended or did not get ready in 60 s
 */
export async function startProcess(env: Record<string, string>, entry: 'main' | 'hurried' = 'hurried') {
  const lines: string[] = [];
  const child: ChildProcess = spawn(process.execPath, [entry === 'main' ? MAIN : HURRIED], {
    // A working folder without an `.env`.
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { PATH: process.env['PATH'], ...NODE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => void lines.push(chunk.toString('utf8')));
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return gone;
  };
  const url = `http://127.0.0.1:${env['PORT']}`;
  for (const until = performance.now() + 60_000; ; ) {
    if ((await fetch(`${url}/readyz`).catch(() => null))?.status === 200) break;
    if (child.exitCode !== null || performance.now() > until) {
      await end('SIGKILL');
      throw new Error(`the process did not get ready: ${lines.join('').slice(-2000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return {
    url,
    lines,
    gone,
    /** Starts anew what `peakMegabytes` tells, and says what is resident now. */
    async resetPeak(): Promise<number> {
      await writeFile(`/proc/${child.pid}/clear_refs`, '5');
      return residentMegabytes(child);
    },
    /** The most that was resident since `resetPeak`. */
    peakMegabytes: () => residentMegabytes(child, 'VmHWM'),
    kill: () => end('SIGKILL'),
    /** It stands still, as on a machine that has no time for it; its connections stay. */
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    /** Milliseconds until it ended by itself, and its exit code. */
    async terminate() {
      const began = performance.now();
      const code = await end('SIGTERM');
      return { code, ms: performance.now() - began };
    },
  };
}

export type Process = Awaited<ReturnType<typeof startProcess>>;
