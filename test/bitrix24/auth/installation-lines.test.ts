import { expect, it } from 'vitest';
import type { Installation } from '../../../src/bitrix24/auth/installation.ts';
import { toPortalLines } from '../../../src/bitrix24/auth/installation-lines.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
const ACTIVE: Installation = {
  memberId: 'canary-member',
  origin: 'https://acme.bitrix24.ru',
  portalKey: 'p',
  applicationToken: 'canary-application-token',
  state: 'active',
  language: 'ru',
  scopes: ['crm'],
  installerUserId: 5,
  tokens: {
    ...{ access: 'canary-access', refresh: 'canary-refresh', expiresAt: '2026-03-02T11:00:00Z' },
    ...{ userId: 5, serverOrigin: null },
  },
  spares: {},
  registered: { directum_create_contract: 'hash-1' },
  version: 1,
};
const linesOf = (before: Installation | undefined, after: Installation) =>
  toPortalLines(before, after, { now: NOW, actor: 'service' });
const shortOf = (before: Installation | undefined, changes: Partial<Installation>) =>
  linesOf(before, { ...ACTIVE, ...changes }).map(({ type, actor, data }) => [type, actor, data]);

const installed = (again: boolean, origin = ACTIVE.origin) => ({ origin, scopes: ['crm'], again });

it('an installation has a line with who made it, and one of its robots, without secrets', () => {
  const lines = linesOf(undefined, ACTIVE);
  expect(lines).toEqual([
    {
      ...{ at: NOW, portal: 'p', itemCode: null, documentId: null },
      ...{ type: 'portal.installed', actor: 'user 5', data: installed(false) },
    },
    {
      ...{ at: NOW, portal: 'p', itemCode: null, documentId: null, type: 'robots.registered' },
      ...{ actor: 'service', data: { registered: ['directum_create_contract'], gone: [] } },
    },
  ]);
  expect(JSON.stringify(lines)).not.toContain('canary');
});

it.each<[string, Partial<Installation>]>([
  ['new tokens', { tokens: null }],
  ['a renewed registration', { registeredAt: '2026-03-02T10:00:00Z' }],
  ['an announced removal', { removal: { at: '2026-03-02T10:00:00Z', clean: true } }],
])('%s have no line', (_, changes) => {
  expect(shortOf(ACTIVE, changes)).toEqual([]);
});

it('a live installation that another person takes over has a line', () => {
  expect(shortOf(ACTIVE, { installerUserId: 6 })).toEqual([['portal.installed', 'user 6', installed(true)]]);
});

it('a portal is paused and goes on', () => {
  const paused = { ...ACTIVE, state: 'paused' as const, pausedReason: 'expired_token' };
  expect(shortOf(ACTIVE, paused)).toEqual([['portal.paused', 'service', { reason: 'expired_token' }]]);
  expect(shortOf(paused, {})).toEqual([['portal.resumed', 'service', {}]]);
  expect(shortOf({ ...paused, sealed: true, installerUserId: null }, {})).toMatchObject([
    ['portal.resumed', 'service', {}],
  ]);
});

it('a removal has one line, and the installation after it another', () => {
  const removed = {
    ...ACTIVE,
    ...{ state: 'uninstalled' as const, registered: {}, removal: { at: '', clean: true } },
  };
  expect(shortOf(ACTIVE, removed)).toEqual([['portal.removed', 'service', { clean: true }]]);
  expect(shortOf(removed, { ...removed, removal: undefined })).toEqual([]);
  expect(shortOf(removed, {})).toMatchObject([
    ['portal.installed', 'user 5', installed(false)],
    ['robots.registered', 'service', { registered: ['directum_create_contract'] }],
  ]);
});

it('a registration tells what is new, changed and gone', () => {
  const before = { ...ACTIVE, registered: { a: '1', b: '1', c: '1' } };
  expect(shortOf(before, { registered: { a: '1', b: '2', 'trigger:d': '1' } })).toEqual([
    ['robots.registered', 'service', { registered: ['b', 'trigger:d'], gone: ['c'] }],
  ]);
});
