const given = (name: string): string => (process.env[name] ?? '').trim();

/** A real stand's settings, or null when none is named; half of them is a mistake, never a sandbox run. */
export function readStand<Required extends string, Optional extends string = never>(
  required: readonly Required[],
  optional: readonly Optional[] = [],
): (Record<Required, string> & Partial<Record<Optional, string>>) | null {
  const values = Object.fromEntries(
    [...required, ...optional].map((name) => [name, given(name)]).filter(([, value]) => value !== ''),
  );
  if (Object.keys(values).length === 0) return null;
  const lacking = required.filter((name) => !(name in values));
  if (lacking.length > 0) throw new Error(`contract suite: set ${lacking.join(', ')} too, or none of them`);
  return values as Record<Required, string> & Partial<Record<Optional, string>>;
}
