import { afterEach, describe, expect, it } from 'vitest';
import { applyRegistration } from '../../../src/bitrix24/registration/apply-registration.ts';
import { planRegistration } from '../../../src/bitrix24/registration/registration.ts';
import { fakePortal, installed, MEMBER, type Methods, refuse, robots } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const [CREATE, WAIT] = ['directum_create_contract', 'directum_wait_signature'];

async function start(methods: Methods, options: { force?: boolean; remove?: boolean } = {}) {
  const portal = await fakePortal(methods);
  open.push(portal);
  const made = await installed(portal);
  const apply = () =>
    applyRegistration({
      rest: made.rest,
      installations: made.installations,
      memberId: MEMBER,
      robots,
      publicUrl: 'https://directum.example',
      now: () => made.clock.now,
      log: made.log,
      ...options,
    });
  return { portal, made, apply };
}

describe('a registration', () => {
  it('plans by the portal’s list and by what was last sent', async () => {
    const { apply, made } = await start({ 'bizproc.robot.list': () => [], 'bizproc.robot.add': () => true });
    await apply();
    const hashes = made.stored.get(MEMBER)?.registered ?? {};
    const context = { publicUrl: 'https://directum.example', authUserId: 1 };
    const plan = (codes: string[], user = 1) =>
      planRegistration(robots, codes, hashes, { ...context, authUserId: user });
    expect(plan([CREATE, 'old'])).toEqual({ add: [WAIT], update: [], same: [CREATE], undeclared: ['old'] });
    expect(plan([CREATE, WAIT], 2)).toMatchObject({ update: [CREATE, WAIT], same: [] });
  });

  it('goes on when the list was not true: add becomes update and back', async () => {
    const done: string[] = [];
    const { apply } = await start({
      'bizproc.robot.list': () => [WAIT],
      'bizproc.robot.add': ({ CODE }) =>
        CODE === CREATE ? refuse('ERROR_ACTIVITY_ALREADY_INSTALLED') : done.push(`add ${CODE}`),
      'bizproc.robot.update': ({ CODE }) =>
        CODE === WAIT ? refuse('ERROR_ACTIVITY_NOT_FOUND') : done.push(`update ${CODE}`),
    });
    expect((await apply()).failed).toEqual([]);
    expect(done).toEqual([`update ${CREATE}`, `add ${WAIT}`]);
  });

  it('names the robot that failed and stays unknown', async () => {
    const { apply, made } = await start({
      'bizproc.robot.list': () => [],
      'bizproc.robot.add': ({ CODE }) => (CODE === WAIT ? refuse('ERROR_ACTIVITY_ADD_FAILURE') : true),
    });
    expect((await apply()).failed).toMatchObject([{ code: WAIT, error: 'ERROR_ACTIVITY_ADD_FAILURE' }]);
    expect(made.stored.get(MEMBER)).toMatchObject({ registered: { [CREATE]: expect.any(String) } });
    expect(made.stored.get(MEMBER)?.registeredAt).toBeUndefined();
  });

  it('deletes what is no longer declared only on order', async () => {
    const deleted: string[] = [];
    const methods: Methods = {
      'bizproc.robot.list': () => ['old', CREATE, WAIT],
      'bizproc.robot.update': () => true,
      'bizproc.robot.delete': ({ CODE }) => deleted.push(CODE),
    };
    expect((await (await start(methods)).apply()).undeclared).toEqual(['old']);
    expect(deleted).toEqual([]);
    expect((await (await start(methods, { remove: true })).apply()).removed).toEqual(['old']);
    expect(deleted).toEqual(['old']);
  });
});
