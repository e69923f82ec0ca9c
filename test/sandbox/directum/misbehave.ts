import type { ServerResponse } from 'node:http';
import { noRights } from './refusal.ts';

export interface Rule {
  verb?: string;
  /** Matched against the decoded path below /Integration/odata/ with its query; a string must be part of it. */
  path?: RegExp | string;
  status?: number;
  body?: string | object;
  /** The effect happens, the answer does not. */
  cutAfterEffect?: boolean;
  /** The effect happens, and the caller is left waiting. */
  hangAfterEffect?: boolean;
  cutBefore?: boolean;
  hang?: boolean;
  delayMs?: number;
  times?: number;
  html?: boolean;
  headers?: Record<string, string>;
}

export interface Misbehave {
  next(rule: Rule): void;
  down: boolean;
  lockCards(times: number): void;
  unauthorized: boolean;
  forbid: Set<string>;
  /** Every request that would change something is refused, also a GET that does, and counted in `refusedWrites`. */
  refuseWrites: boolean;
  readonly refusedWrites: number;
  /**
   * A counterparty written together with what hangs on it (leading document, contract, contact, their signatory) is applied
   * last, so those vanish and have to be written once more (contract J.10: the order of properties is the server's).
   */
  counterpartyLast: boolean;
  /**
   * Takes from the account the right to read everything of a set and of the types below it, or single entities of it:
   * they are absent from lists and 404 by id, while the set stays in `$metadata` (contract A.3, A.9).
   */
  hide(set: string, ...ids: number[]): void;
  /** Gives the rights on a set back, or on single entities of it. */
  show(set: string, ...ids: number[]): void;
  reset(): void;
}

export class Trouble implements Misbehave {
  down = false;
  unauthorized = false;
  forbid = new Set<string>();
  counterpartyLast = false;
  refuseWrites = false;
  refusedWrites = 0;
  locks = 0;
  /** Hidden ids by set; null = all. */
  readonly hidden = new Map<string, Set<number> | null>();
  private rules: (Rule & { left: number })[] = [];
  private held: ServerResponse[] = [];

  next(rule: Rule): void {
    this.rules.push({ ...rule, left: rule.times ?? 1 });
  }
  lockCards(times: number): void {
    this.locks = times;
  }
  hide(set: string, ...ids: number[]): void {
    const kept = this.hidden.get(set);
    this.hidden.set(set, ids.length === 0 || kept === null ? null : new Set([...(kept ?? []), ...ids]));
  }
  show(set: string, ...ids: number[]): void {
    const kept = this.hidden.get(set);
    if (ids.length === 0 || !kept) this.hidden.delete(set);
    else for (const id of ids) kept.delete(id);
  }
  reset(): void {
    this.hidden.clear();
    for (const response of this.held.splice(0)) response.destroy();
    Object.assign(this, { down: false, unauthorized: false, forbid: new Set(), locks: 0, rules: [] });
    Object.assign(this, { refuseWrites: false, refusedWrites: 0, counterpartyLast: false });
  }

  refuseWrite(): void {
    if (!this.refuseWrites) return;
    this.refusedWrites += 1;
    throw noRights();
  }

  /** Leaves a caller waiting until the next reset. */
  hold(response: ServerResponse): void {
    this.held.push(response);
  }

  /** The first rule that fits, used up by one. */
  take(verb: string, address: string): Rule | undefined {
    const fits = (rule: Rule) =>
      (!rule.verb || rule.verb === verb) &&
      (!rule.path || (typeof rule.path === 'string' ? address.includes(rule.path) : rule.path.test(address)));
    const rule = this.rules.find((one) => one.left > 0 && fits(one));
    if (rule) rule.left -= 1;
    return rule;
  }
}

const proxyPage =
  '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>';

/** Plays a rule that answers instead of the service; false when the service shall go on. */
export function play(rule: Rule, response: ServerResponse, trouble: Trouble): boolean {
  if (rule.hang) {
    trouble.hold(response);
    return true;
  }
  if (rule.cutBefore) {
    response.destroy();
    return true;
  }
  if (rule.status === undefined && rule.body === undefined && !rule.html) return false;
  const html = rule.html === true;
  const body =
    rule.body ?? (html ? proxyPage : { error: { code: '', message: 'Произошла непредвиденная ошибка' } });
  response.writeHead(rule.status ?? (html ? 502 : 500), {
    ...rule.headers,
    'content-type': html
      ? 'text/html'
      : typeof body === 'string'
        ? 'text/plain; charset=utf-8'
        : 'application/json',
  });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
  return true;
}
