import { expect, it } from 'vitest';
import { onePortal } from '../../scripts/portal-option.ts';
import type { Installation } from '../../src/bitrix24/auth/installation.ts';

const at = (origin: string, state: Installation['state'] = 'active') =>
  ({ memberId: origin, origin, state }) as Installation;

it('the only portal needs no name, and of several one is named', () => {
  const [one, other] = [at('https://one.example'), at('https://two.example:8443')];
  expect(onePortal([one, at('https://gone.example', 'uninstalled')], undefined)).toBe(one);
  expect(onePortal([one, other], 'ONE.example')).toBe(one);
  expect(onePortal([one, other], 'two.example:8443')).toBe(other);
  expect(() => onePortal([one, other], undefined)).toThrow('several portals');
  expect(() => onePortal([one, other], 'three.example')).toThrow('no installation on three.example');
  expect(() => onePortal([], undefined)).toThrow('no installation');
});
