import { parseArgs } from 'node:util';
import { robots } from '../robots/index.ts';
import { applyRegistration, listPortal } from '../src/bitrix24/apply-registration.ts';
import { type Installation, isLive } from '../src/bitrix24/installation.ts';
import { explain, planPortal } from '../src/bitrix24/registration.ts';
import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { toDescriptor } from '../src/robot/descriptor.ts';
import { openRooms, toLanguage } from '../src/rooms.ts';
import type { Shell } from './shell.ts';

/** Exit codes that an operator's script can use (interface.md §4). */
const DONE = 0;
const FAILED = 1;
const PENDING = 2;

const USAGE = 'usage: npm run register -- [--apply] [--force] [--remove] [--portal HOST[:PORT]]';

type Rooms = Awaited<ReturnType<typeof openRooms>>;
type Flags = { apply: boolean; force: boolean; remove: boolean; portal: string | undefined };

function readFlags(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    options: {
      apply: { type: 'boolean' },
      force: { type: 'boolean' },
      remove: { type: 'boolean' },
      portal: { type: 'string' },
    },
  });
  return {
    apply: values.apply ?? false,
    force: values.force ?? false,
    remove: values.remove ?? false,
    portal: values.portal,
  };
}

/** A problem with the portal it belongs to: of several, one may refuse while the others are well. */
function complain(
  { origin }: Installation,
  { en, ru }: { en: string; ru: string },
  { stderr }: Shell,
  code?: string,
): void {
  const of = [new URL(origin).host, ...(code === undefined ? [] : [code])].join(': ');
  stderr.write(`  ! ${of}: ${en} ${ru}\n`);
}

async function registerOn(
  installation: Installation,
  rooms: Rooms,
  flags: Flags,
  publicUrl: string,
  shell: Shell,
): Promise<number> {
  const { stdout } = shell;
  const { portals } = rooms;
  const { memberId } = installation;
  const declared = robots.map((robot) => toDescriptor(robot, toLanguage(installation.language)));
  const log = createLog('error', (line) => shell.stderr.write(line));
  const listed = await listPortal(portals.rest, memberId, log);
  const context = {
    publicUrl,
    authUserId: installation.installerUserId,
    language: toLanguage(installation.language),
  };
  const hashes = flags.force ? {} : installation.registered;
  const plans = Object.values(planPortal(declared, listed, hashes, context));
  const lines = plans.flatMap((plan) => [
    ...plan.add.map((code) => `+ ${code}`),
    ...plan.update.map((code) => `~ ${code}`),
    ...plan.same.map((code) => `= ${code}`),
    ...plan.undeclared.map((code) => `- ${code}${flags.remove ? '' : ' (kept; --remove deletes it)'}`),
  ]);
  stdout.write(`${new URL(installation.origin).host}\n${lines.map((line) => `${line}\n`).join('')}`);
  const changes = plans
    .map((plan) => plan.add.length + plan.update.length + (flags.remove ? plan.undeclared.length : 0))
    .reduce((sum, count) => sum + count, 0);
  if (changes === 0 || !flags.apply) {
    for (const { text } of listed.problems) complain(installation, text, shell);
    if (listed.problems.some(({ off }) => !off)) return FAILED;
    return changes === 0 ? DONE : PENDING;
  }
  const { failed, others } = await applyRegistration({
    rest: portals.rest,
    installations: portals.installations,
    memberId,
    robots: declared,
    publicUrl,
    now: () => new Date(),
    log,
    force: flags.force,
    remove: flags.remove,
    listed,
  });
  for (const { code, text } of failed) complain(installation, text, shell, code);
  for (const { text } of others) complain(installation, text, shell);
  return failed.length > 0 || others.some(({ off }) => !off) ? FAILED : DONE;
}

/** Whether an origin is `HOST[:PORT]` as an operator writes it: case-blind, the usual port named or not. */
function isAt(origin: string, written: string): boolean {
  const address = `${new URL(origin).protocol}//${written.trim()}`;
  return URL.canParse(address) && new URL(address).origin === origin;
}

async function plan(shell: Shell): Promise<number> {
  const { argv, env, stderr } = shell;
  const flags = readFlags(argv.slice(2));
  const config = parseConfig(env);
  const log = createLog('error', (line) => stderr.write(line));
  const rooms = await openRooms(config, { log, now: () => new Date() });
  try {
    const live = rooms.portals.installations
      .list()
      .filter(isLive)
      .filter((installation) => flags.portal === undefined || isAt(installation.origin, flags.portal));
    if (live.length === 0) {
      stderr.write(
        flags.portal
          ? `no installation on ${flags.portal}\n`
          : 'no installation: install the application on the portal first\n',
      );
      return FAILED;
    }
    let worst = DONE;
    for (const installation of live) {
      const code = await registerOn(installation, rooms, flags, config.PUBLIC_URL, shell).catch((error) => {
        complain(installation, explain(error), shell);
        return FAILED;
      });
      worst = worst === FAILED || code === FAILED ? FAILED : Math.max(worst, code);
    }
    return worst;
  } finally {
    await rooms.close();
  }
}

/** Says what would change in the portals, or changes it; answers the exit code. */
export async function register(shell: Shell): Promise<number> {
  try {
    return await plan(shell);
  } catch (error) {
    const usage = error instanceof TypeError && 'code' in error;
    shell.stderr.write(
      `${error instanceof ConfigError ? error.message : usage ? `${error.message}\n${USAGE}` : `register failed: ${(error as Error).message}`}\n`,
    );
    return FAILED;
  }
}

if (import.meta.main) process.exitCode = await register(process);
