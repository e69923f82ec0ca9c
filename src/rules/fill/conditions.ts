import { toVisible } from '../../lib/text.ts';
import type { ItemSnapshot } from '../../robot/ports/portal.ts';
import { type Condition, isRange, type Range, type RuleRow, type Scalar, toList } from '../tables/tables.ts';
import { type Member, membersOf, toDay, toFlag, toNumber, toSpan } from './item-values.ts';

/** An item as conditions see it; dates without an offset are of `timeZone`. */
interface ItemToMatch extends Pick<ItemSnapshot, 'fields' | 'itemFields'> {
  timeZone: string;
}

/** Do all conditions of a row hold for the item (interface.md §8)? */
export function holds(when: RuleRow['when'], item: ItemToMatch): boolean {
  return Object.entries(when ?? {}).every(([code, condition]) =>
    isMet(condition, membersOf(item, code), item.timeZone),
  );
}

function isMet(condition: Condition, members: Member[], timeZone: string): boolean {
  if (isRange(condition)) return members.some((member) => isWithin(condition, member, timeZone));
  return toList(condition).some((value) =>
    value === null ? members.length === 0 : members.some((member) => isEqual(value, member, timeZone)),
  );
}

function isEqual(value: Exclude<Scalar, null>, member: Member, timeZone: string): boolean {
  const wanted = String(value);
  const { kind, raw, title } = member;
  if (isSameText(wanted, raw) || (title !== null && isSameText(wanted, title))) return true;
  if (kind === 'user') return isSameText(wanted, `user_${raw}`);
  if (kind === 'list' || kind === 'text') return false;
  if (kind === 'flag' || typeof value === 'boolean') {
    const flag = toFlag(wanted);
    return flag !== null && flag === toFlag(raw);
  }
  const [number, own] = [toNumber(wanted), toNumber(raw)];
  if (number !== null && own !== null)
    return number.amount === own.amount && (number.currency === null || number.currency === own.currency);
  return number === null && isWithin({ from: wanted, to: wanted }, member, timeZone);
}

const isSameText = (one: string, other: string): boolean =>
  toVisible(one).toLowerCase() === toVisible(other).toLowerCase();

/** Is the value between two numbers or two dates? Both ends count, a day as a whole. */
function isWithin({ from, to }: Range, { raw, title, kind }: Member, timeZone: string): boolean {
  const own = kind === 'list' ? (title ?? raw) : raw;
  const ends = [from, to].flatMap((end) => (end === undefined ? [] : [String(end)]));
  if (ends.every((end) => toNumber(end) !== null)) {
    const number = toNumber(own)?.amount;
    const [least, most] = [from, to].map((end) => (end === undefined ? null : toNumber(String(end))));
    return (
      number !== undefined && number >= (least?.amount ?? -Infinity) && number <= (most?.amount ?? Infinity)
    );
  }
  const day = toDay(own);
  if (day === null) return false;
  // A date of the portal has no time, though it is printed with one and an offset: the day counts as it is written.
  if (kind === 'date' || own === day) {
    const [first, last] = [from, to].map((end) => (end === undefined ? undefined : toDay(String(end))));
    return first !== null && last !== null && (first ?? day) <= day && day <= (last ?? day);
  }
  const at = toSpan(own, timeZone);
  const [first, last] = [from, to].map((end) =>
    end === undefined ? undefined : toSpan(String(end), timeZone),
  );
  if (at === null || first === null || last === null) return false;
  return (first?.begin ?? at.begin) <= at.begin && at.begin <= (last?.end ?? at.begin);
}

/** Numbers or dates in the right order. */
export function isRightRange({ from, to }: Range, timeZone = 'UTC'): boolean {
  const ends = [from, to].flatMap((end) => (end === undefined ? [] : [String(end)]));
  const [first, last] = ends;
  const numbers = ends.flatMap((end) => toNumber(end)?.amount ?? []);
  if (numbers.length === ends.length) return ends.length < 2 || (numbers[0] ?? 0) <= (numbers[1] ?? 0);
  const spans = ends.map((end) => toSpan(end, timeZone));
  if (first === undefined || spans.includes(null)) return false;
  return last === undefined || (spans[0]?.begin ?? 0) <= (spans.at(-1)?.end ?? 0);
}
