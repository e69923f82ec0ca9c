import type { LocalText } from '../../robot/failure.ts';

/** As many of `names` as fit into `length` characters, and how many more there are. */
export function listed(names: readonly string[], length: number): LocalText {
  const whole = names.join(', ');
  if (whole.length <= length) return { ru: whole, en: whole };
  const tail = (count: number) => ({ ru: ` и ещё ${count}`, en: ` and ${count} more` });
  const room = length - Math.max(tail(names.length).ru.length, tail(names.length).en.length);
  let shown = '';
  let count = 0;
  for (const name of names) {
    const longer = count === 0 ? name : `${shown}, ${name}`;
    if (longer.length > room) break;
    shown = longer;
    count += 1;
  }
  const more = tail(names.length - count);
  return { ru: shown + more.ru, en: shown + more.en };
}
