import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog, redact } from '../src/log.ts';
import { openRooms } from '../src/rooms.ts';
import type { Shell } from './shell.ts';

/** What is due a moment later is waited for so long. */
const PAUSE_MS = 500;
/** Repairs that a portal keeps putting off are left to the service. */
const MOST_ROUNDS = 20;

/** All that Directum does not show was deleted, says whoever runs the command. */
const ACCEPT = '--accept-deletions';

async function repair({ argv, env, stdout, stderr }: Shell): Promise<number> {
  const config = parseConfig(env);
  const log = createLog('error', (line) => stderr.write(line));
  const rooms = await openRooms(config, { log, now: () => new Date() });
  try {
    const { steps, compare, dueCount, itemsOf } = rooms.deals;
    const result = await compare(
      ({ itemCode, documentId, what }) =>
        stdout.write(`${itemCode} document ${documentId}: ${what.join(', ')}\n`),
      argv.includes(ACCEPT),
    );
    for (const { itemCode, documentId } of await itemsOf(result.held))
      stdout.write(`${itemCode} document ${documentId}: Directum does not show it\n`);
    for (let round = 0; round < MOST_ROUNDS && (await dueCount()) > 0; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      while ((await steps.show()) || (await steps.mirror()));
    }
    const left = await dueCount();
    const summary = [`documents compared: ${result.documents}`];
    if (result.failed > 0) summary.push(`${result.failed} could not be read or compared`);
    if (result.held.length > 0)
      summary.push(
        `${result.held.length} not shown by Directum and not taken for deleted: give the account its rights back, or, if they were deleted, say so with ${ACCEPT}`,
      );
    if (left > 0) summary.push(`${left} not repaired yet; the service goes on with them`);
    stdout.write(`${summary.join(', ')}\n`);
    return result.failed > 0 || result.held.length > 0 || left > 0 ? 1 : 0;
  } finally {
    await rooms.close();
  }
}

/** Compares what deals show with Directum and repairs it; answers the exit code. */
export async function reconcile(shell: Shell): Promise<number> {
  try {
    return await repair(shell);
  } catch (error) {
    shell.stderr.write(
      `${error instanceof ConfigError ? error.message : `reconcile failed: ${String(redact((error as Error).message))}`}\n`,
    );
    return 1;
  }
}

if (import.meta.main) process.exitCode = await reconcile(process);
