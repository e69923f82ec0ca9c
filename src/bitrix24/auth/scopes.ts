/** Whether the portal gave what `scope` stands for. */
export function hasScope(given: readonly string[], scope: string): boolean {
  // The portal has narrower kinds of `user` that our reading can do with (F5).
  const kinds = scope === 'user' ? ['user', 'user_basic', 'user_brief'] : [scope];
  return kinds.some((kind) => given.includes(kind));
}
