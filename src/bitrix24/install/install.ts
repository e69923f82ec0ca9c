import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Installation, Installations } from '../auth/installation.ts';
import type { Proof } from '../auth/proof.ts';
import type { TokenPair } from '../auth/tokens.ts';
import type { RobotRegistration } from '../registration/registration.ts';
import type { PortalRest } from '../rest/rest.ts';
import { runInstallSteps, type StepsResult } from './install-steps.ts';

export interface InstallerConfig {
  /** Origins that may install; nothing is ever sent to another. */
  portals: readonly string[];
  oauthServers: readonly string[];
  clientId: string;
  clientSecret: string;
  publicUrl: string;
}

/** What a page or an event brings to install with. */
interface Arrival {
  memberId: string;
  tokens: TokenPair | null;
  applicationToken: string | null;
  scopes: string[];
  language: string;
}

/** What the page and the events of an installation share. */
export interface Installer {
  /** Our secret is sent only to OAuth servers that are listed, so a pair of another could never be renewed. */
  isForeign(tokens: TokenPair | null): boolean;
  /** Stores what a proof has shown and sets the portal up. */
  install(by: 'page' | 'event', arrival: Arrival, proof: Proof & { ok: true }): Promise<StepsResult>;
  /** Binds events and registers robots, one process at a time. */
  setUp(memberId: string): Promise<StepsResult>;
}

export function createInstaller(options: {
  config: InstallerConfig;
  installations: Installations;
  rest: PortalRest;
  robots: (language: string) => readonly RobotRegistration[];
  locks: LocksPort;
  isOlderThere: () => Promise<boolean>;
  now: () => Date;
  log: Log;
}): Installer {
  const { config, installations, locks, log } = options;

  /** The first installation of an origin gives the key for all later ones. */
  async function store(arrival: Arrival, proof: Proof & { ok: true }): Promise<void> {
    const { memberId } = arrival;
    const { origin } = proof;
    await locks.hold(`portal:${origin}`, async () => {
      await installations.load();
      const first = installations
        .list()
        .find((known) => known.origin === origin && known.memberId !== memberId);
      await installations.update(memberId, (known): Installation => {
        const fresh = known === undefined || known.state === 'uninstalled' || !proof.finished;
        // The pair must be renewable by us, so its user is the one the proof has named.
        const tokens = arrival.tokens && { ...arrival.tokens, userId: arrival.tokens.userId ?? proof.userId };
        return {
          memberId,
          origin,
          portalKey: known?.portalKey ?? first?.portalKey ?? memberId,
          // A new installation has a new application token: an old one would lock its calls out.
          applicationToken: arrival.applicationToken ?? (fresh ? null : known.applicationToken),
          state: 'active',
          language: arrival.language,
          scopes: arrival.scopes.length > 0 ? arrival.scopes : (known?.scopes ?? []),
          installerUserId: proof.userId ?? tokens?.userId ?? null,
          tokens: tokens ?? known?.tokens ?? null,
          spares: known?.spares ?? {},
          // The portal may have dropped robots since (B8): until the list is read again nothing is known.
          registered: known?.registered ?? {},
          fields: known?.fields,
          methods: known?.methods,
          provesCalls: known?.provesCalls,
          version: known?.version ?? 0,
        };
      });
    });
  }

  const setUp = (memberId: string): Promise<StepsResult> =>
    locks.hold(`registration:${memberId}`, () =>
      runInstallSteps({ ...options, memberId, publicUrl: config.publicUrl }),
    );

  return {
    isForeign: (tokens) => tokens?.serverOrigin != null && !config.oauthServers.includes(tokens.serverOrigin),
    setUp,
    async install(by, arrival, proof) {
      const { memberId } = arrival;
      await store(arrival, proof);
      log.info('portal.installed', { memberId, by });
      return setUp(memberId);
    },
  };
}
