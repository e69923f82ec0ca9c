import { emptyGenerator } from './generator/memory.ts';
import type { PortalOptions } from './types.ts';
import { hex, type World } from './world.ts';

export const SCOPES = ['crm', 'bizproc', 'placement', 'user', 'im', 'task', 'userfieldconfig', 'department'];

/** An empty portal; its misbehaviour is attached by the factory. */
export function createWorld(options: PortalOptions): Omit<World, 'misbehave'> {
  return {
    url: '',
    oauthUrl: '',
    now: options.now ?? (() => new Date()),
    language: options.language ?? 'ru',
    culture: options.culture ?? 'ru',
    clientId: options.clientId,
    clientSecret: options.clientSecret,
    memberId: options.memberId ?? hex(16),
    applicationToken: hex(16),
    eventKey: hex(32),
    scopes: new Set(options.scopes ?? SCOPES),
    app: { present: false, installed: false, version: 1, address: '', scriptOnly: false },
    journal: [],
    deliveries: [],
    background: new Set(),
    timers: new Set(),
    stopping: new AbortController(),
    access: new Map(),
    refresh: new Map(),
    users: new Map(),
    departments: new Map([[1, { ID: '1', NAME: 'Компания', SORT: 500, PARENT: null, UF_HEAD: null }]]),
    hidden: new Map(),
    closed: new Map(),
    items: new Map(),
    types: new Map(),
    userFields: [],
    files: new Map(),
    stages: new Map(),
    requisites: [],
    bankDetails: [],
    addresses: [],
    links: new Map(),
    timeline: new Map(),
    activities: [],
    notices: [],
    tasks: new Map(),
    taskComments: new Map(),
    generator: emptyGenerator(),
    robots: new Map(),
    events: [],
    triggers: new Map(),
    placedTriggers: [],
    triggerRuns: [],
    placed: [],
    workflows: new Map(),
    rules: [],
    counters: new Map(),
    operated: new Map(),
  };
}
