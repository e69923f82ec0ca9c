import type { Actor, JournalLine } from '../../journal/lines.ts';
import type { Installation } from './installation.ts';

/**
 * What the journal keeps of a change of an installation: that the application was installed, by whom, that its portal was
 * paused, goes on or removed it, and which robots and triggers were registered. New tokens alone are no fact, nor is it one
 * when the same administrator opens the installer's page again.
 */
export function toPortalLines(
  before: Installation | undefined,
  after: Installation,
  { now, actor }: { now: Date; actor: Actor },
): JournalLine[] {
  const line = (type: JournalLine['type'], data: JournalLine['data'], by: Actor = actor): JournalLine => {
    const place = { at: now, portal: after.portalKey, itemCode: null, documentId: null };
    return { ...place, type, actor: by, data };
  };
  const lines: JournalLine[] = [];
  if (isInstalled(before, after)) {
    const { origin, installerUserId, scopes } = after;
    const by = installerUserId === null ? actor : (`user ${installerUserId}` as const);
    lines.push(line('portal.installed', { origin, scopes, again: isThere(before) }, by));
  } else if (after.state !== before?.state) {
    if (after.state === 'active') lines.push(line('portal.resumed', {}));
    if (after.state === 'paused') lines.push(line('portal.paused', { reason: after.pausedReason ?? null }));
    if (after.state === 'uninstalled')
      lines.push(line('portal.removed', { clean: after.removal?.clean ?? false }));
  }
  const known = before?.registered ?? {};
  const registered = Object.keys(after.registered).filter((code) => after.registered[code] !== known[code]);
  const gone = Object.keys(known).filter((code) => !Object.hasOwn(after.registered, code));
  // With the application all of them are gone.
  if (after.state !== 'uninstalled' && registered.length + gone.length > 0)
    lines.push(line('robots.registered', { registered: registered.sort(), gone: gone.sort() }));
  return lines;
}

const isThere = (before: Installation | undefined) => before !== undefined && before.state !== 'uninstalled';

/** It was not there before, or somebody else installed it, or from another address. */
function isInstalled(before: Installation | undefined, after: Installation): boolean {
  if (after.state !== 'active') return false;
  if (!isThere(before)) return true;
  // What cannot be opened says nothing of who installed it.
  if (before?.sealed) return false;
  return before?.installerUserId !== after.installerUserId || before?.origin !== after.origin;
}
