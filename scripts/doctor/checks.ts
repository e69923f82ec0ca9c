import * as directum from './directum.ts';
import type { Check } from './finding.ts';
import { contracts, journal, type Modules, type OfStore, publicUrl, quarantine, versions } from './own.ts';
import * as portal from './portals.ts';
import { content } from './sealed.ts';
import { backupPassphrase, type OfSettings, proxies, settings } from './settings.ts';

/**
 * Every check of doctor, in the order it is told. One more is an entry here: a stable name, its name in Russian, and a
 * function that finds. Before the first of `store` and of `directum` stand those that open them (own.ts, directum.ts).
 */
export const CHECKS = {
  settings: [settings, proxies, backupPassphrase] satisfies Check<OfSettings>[],
  store: [versions, content, contracts, journal, quarantine] satisfies Check<OfStore>[],
  outside: [publicUrl] satisfies Check<OfSettings>[],
  /** What is asked through everything that is open. */
  modules: [directum.documents] satisfies Check<Modules>[],
  /** Once for each portal; their names get its host. */
  portal: [
    portal.state,
    portal.token,
    portal.installer,
    portal.scopes,
    portal.tariff,
    portal.registered,
    portal.triggers,
    portal.fields,
  ] satisfies Check<portal.OfPortal>[],
  directum: [
    directum.capabilities,
    directum.account,
    directum.rights,
    directum.tasks,
    directum.assignments,
    directum.contractKind,
    directum.businessUnit,
    directum.responsible,
  ] satisfies Check<directum.OfDirectum>[],
};
