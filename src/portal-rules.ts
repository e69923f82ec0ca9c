import type { Installation } from './bitrix24/auth/installation.ts';
import { hasTemplate } from './bitrix24/crm/files/document-generator.ts';
import { readUsers } from './bitrix24/crm/portal-users.ts';
import type { Config } from './config.ts';
import type { Actor } from './journal/lines.ts';
import type { Modules } from './modules.ts';
import type { Log } from './robot/ports/log.ts';
import { checkTables } from './rules/check/check-tables.ts';
import { checkLive } from './rules/check/live-check.ts';
import { type RuleProblem, type RuleTable, rowsShape } from './rules/tables/tables.ts';
import type { RuleTables } from './store/rules/rule-tables.ts';

/** Tables of a portal as they are kept now. */
export async function listTables(kept: RuleTables, portal: string): Promise<RuleTable[]> {
  return (await kept.list(portal)).map(({ name, rows }) => ({ name, rows: rowsShape.parse(rows) }));
}

/** The decision tables of one portal, for whoever shows and changes them. */
export function openPortalRules(
  { config, modules, log }: { config: Config; modules: Modules; log: Log },
  { memberId, portalKey }: Pick<Installation, 'memberId' | 'portalKey'>,
) {
  const { store, portals, directum, deals, robots } = modules;
  const { ruleTables } = store;
  return {
    list: () => listTables(ruleTables, portalKey),
    save: (tables: readonly RuleTable[], actor: Actor) =>
      ruleTables.save({ portal: portalKey, actor }, tables),
    remove: (name: string, actor: Actor) => ruleTables.remove({ portal: portalKey, actor }, name),

    /**
     * Everything that is wrong with tables: by themselves, and against both systems as they are now.
     * @throws PortalError, RobotFailure when a system does not answer
     */
    async check(tables: readonly RuleTable[]): Promise<RuleProblem[]> {
      const asked = await checkLive(tables, robots, {
        fields: (wanted) => portals.itemFields.ofTypes(memberId, wanted),
        users: (ids) => readUsers(portals.rest, memberId, ids),
        hasTemplate: (wanted, label) => hasTemplate({ rest: portals.rest, memberId, log }, wanted, label),
        directum: directum.forPortal({
          counterpartyLinks: store.counterpartyLinks(portalKey, '', ''),
          locks: { ...store.locks, check: () => undefined },
          absence: deals.observer.deletions.absence,
          log,
        }),
        timeZone: config.TIME_ZONE,
      });
      const order = tables.map(({ name }) => name);
      const place = ({ table, row }: RuleProblem) => [order.indexOf(table ?? ''), row ?? 0] as const;
      return [...checkTables(tables, robots), ...asked].toSorted((one, other) => {
        const [[table, row], [otherTable, otherRow]] = [place(one), place(other)];
        return table - otherTable || row - otherRow;
      });
    },
  };
}

export type PortalRules = ReturnType<typeof openPortalRules>;
