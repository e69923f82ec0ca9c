import type { Actor, JournalLine } from '../../journal/lines.ts';
import type { Log } from '../../robot/ports/log.ts';
import { type Installation, type InstallationStore, toSealed } from './installation.ts';
import { toPortalLines } from './installation-lines.ts';

/** Installations as they are stored, sealed; `value` is null where the key is gone. */
interface StoredInstallations {
  get(memberId: string): Promise<Installation | null | undefined>;
  /** The installation and the journal's lines of what changed in it, both or neither. */
  set(memberId: string, installation: Installation, lines: JournalLine[]): Promise<void>;
  list(): Promise<{ key: string; value: Installation | null }[]>;
}

/**
 * Stored installations, in which one whose key left SECRET_KEYS has a stand-in: its portal is paused, and all others work
 * (interface.md §2).
 */
export function createSealedInstallations(options: {
  stored: StoredInstallations;
  /** An error of `stored.get` that says the key is gone. */
  isKeyGone(error: unknown): boolean;
  /** The portal key that stands open in the portal's runs. */
  portalKeyOf(memberId: string): Promise<string | null>;
  /** Who changes installations here, where it is not the person who installs. */
  actor: Actor;
  now: () => Date;
  log: Log;
}): InstallationStore {
  const { stored, portalKeyOf, actor, now, log } = options;
  const standIns = new Map<string, Promise<Installation>>();

  async function makeStandIn(memberId: string): Promise<Installation> {
    log.error('installation.sealed', {
      memberId,
      todo: 'give back the key that is missing in SECRET_KEYS, or let an administrator of the portal open the application',
    });
    return toSealed(memberId, (await portalKeyOf(memberId)) ?? memberId, now());
  }

  function standIn(memberId: string): Promise<Installation> {
    const known = standIns.get(memberId) ?? makeStandIn(memberId);
    standIns.set(memberId, known);
    known.catch(() => standIns.delete(memberId));
    return known;
  }

  return {
    async get(memberId) {
      try {
        return (await stored.get(memberId)) ?? undefined;
      } catch (error) {
        if (!options.isKeyGone(error)) throw error;
        return standIn(memberId);
      }
    },
    set: (memberId, installation, before) =>
      stored.set(memberId, installation, toPortalLines(before, installation, { now: now(), actor })),
    list: async () => Promise.all((await stored.list()).map(({ key, value }) => value ?? standIn(key))),
  };
}
