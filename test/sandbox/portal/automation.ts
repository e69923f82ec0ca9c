import { deliver } from './delivery.ts';
import { documentType, ensureStage, itemsOf } from './entities.ts';
import { evaluate } from './properties.ts';
import { isOffered } from './robots.ts';
import { authBlock } from './tokens.ts';
import type { Fields, PlacedRobot, Step, Workflow } from './types.ts';
import { isoTime, text, toForm } from './wire.ts';
import { hex, inBackground, makeEventToken, nextId, type Registration, type World } from './world.ts';

export interface PlaceOptions {
  useSubscription?: 'Y' | 'N' | '';
  entityTypeId?: number;
  authUserId?: number;
  after?: boolean;
}

/** The admin saves a robot on a stage: its waiting and its run-as user are frozen here. */
export function placeRobot(
  world: World,
  stage: string,
  code: string,
  properties: Fields,
  options: PlaceOptions = {},
): PlacedRobot {
  const entityTypeId = options.entityTypeId ?? 2;
  const registration = world.robots.get(code);
  if (registration === undefined) throw new Error(`portal sandbox: robot ${code} is not registered`);
  if (!isOffered(registration, documentType(entityTypeId))) {
    throw new Error(`portal sandbox: FILTER hides robot ${code} on ${documentType(entityTypeId)[2]}`);
  }
  ensureStage(world, entityTypeId, stage);
  const number = nextId(world, 'activity', 61270);
  const placed: PlacedRobot = {
    activityName: `A${number}_40312_9953_${10_000 + (number % 90_000)}`,
    entityTypeId,
    stage,
    code,
    properties: { ...properties },
    useSubscription: options.useSubscription ?? registration.useSubscription,
    authUserId: options.authUserId ?? registration.authUserId,
    after: options.after ?? false,
  };
  world.placed.push(placed);
  return placed;
}

export const stepsOf = (workflow: Workflow): Step[] => workflow.chains.flat().map(({ step }) => step);

const running = (world: World, entityTypeId: number, itemId: number): Workflow[] =>
  [...world.workflows.values()].filter(
    (one) => one.status === 'running' && one.entityTypeId === entityTypeId && one.itemId === itemId,
  );

/** The application is not told. */
export function terminate(workflow: Workflow): void {
  workflow.status = 'terminated';
  for (const step of stepsOf(workflow)) {
    if (step.status === 'waiting' || step.status === 'pending') step.status = 'terminated';
  }
}

export function moveItem(world: World, entityTypeId: number, id: number, stage: string): string {
  const item = itemsOf(world, entityTypeId).get(id);
  if (item === undefined) throw new Error(`portal sandbox: no item ${entityTypeId}:${id}`);
  ensureStage(world, entityTypeId, stage);
  for (const workflow of running(world, entityTypeId, id)) terminate(workflow);
  item['previousStageId'] = item['stageId'];
  item['stageId'] = stage;
  item['movedTime'] = item['updatedTime'] = isoTime(world.now());
  return startStage(world, entityTypeId, id, stage);
}

function startStage(world: World, entityTypeId: number, itemId: number, stage: string): string {
  const id = `${hex(7)}.${String(nextId(world, 'workflow', 51_774_329))}`;
  const workflow: Workflow = {
    id,
    entityTypeId,
    itemId,
    stage,
    startedAt: world.now(),
    status: 'running',
    chains: [],
  };
  for (const robot of world.placed.filter(
    (one) => one.entityTypeId === entityTypeId && one.stage === stage,
  )) {
    const step: Step = {
      workflowId: id,
      code: robot.code,
      activityName: robot.activityName,
      status: 'pending',
      outputs: {},
      answers: 0,
      eventToken: '',
      log: [],
    };
    const last = workflow.chains.at(-1);
    if (robot.after && last !== undefined) last.push({ robot, step });
    else workflow.chains.push([{ robot, step }]);
  }
  world.workflows.set(id, workflow);
  for (const chain of workflow.chains) runFrom(world, workflow, chain, 0);
  settle(workflow);
  return id;
}

function settle(workflow: Workflow): void {
  if (workflow.status !== 'running') return;
  if (stepsOf(workflow).every((step) => step.status === 'closed')) workflow.status = 'completed';
}

/** Starts a step; one that does not wait closes at once and hands over to the next of its chain. */
function runFrom(world: World, workflow: Workflow, chain: Workflow['chains'][number], index: number): void {
  const entry = chain[index];
  if (entry === undefined) {
    settle(workflow);
    return;
  }
  const { robot, step } = entry;
  const registration = world.robots.get(robot.code);
  if (registration === undefined) {
    terminate(workflow);
    workflow.status = 'failed';
    step.status = 'failed';
    return;
  }
  step.eventToken = makeEventToken(world, workflow.id, robot.activityName);
  step.outputs = Object.fromEntries(
    Object.entries(registration.returnProperties).map(([key, one]) => [key, text(one['DEFAULT'])]),
  );
  step.status = robot.useSubscription === 'Y' ? 'waiting' : 'closed';
  const call = callOf(world, workflow, chain, index, registration);
  if (!world.misbehave.dropCalls) {
    const times = world.misbehave.doubleCalls ? 2 : 1;
    for (let n = 0; n < times; n++) inBackground(world, deliver(world, robot.code, call.url, call.form));
  }
  if (step.status === 'closed') runFrom(world, workflow, chain, index + 1);
}

function callOf(
  world: World,
  workflow: Workflow,
  chain: Workflow['chains'][number],
  index: number,
  registration: Registration,
): { url: string; form: Record<string, string> } {
  const { robot, step } = chain[index] as Workflow['chains'][number][number];
  const item = itemsOf(world, workflow.entityTypeId).get(workflow.itemId) ?? {};
  const type = documentType(workflow.entityTypeId);
  const known = world.misbehave.withoutTokens ? undefined : robot.authUserId;
  const form = toForm({
    workflow_id: workflow.id,
    code: robot.code,
    document_id: [type[0], type[1], `${type[2]}_${workflow.itemId}`],
    document_type: type,
    event_token: step.eventToken,
    properties: evaluate(world, registration, robot, item, chain.slice(0, index)),
    use_subscription: robot.useSubscription === '' ? null : robot.useSubscription,
    timeout_duration: 0,
    ts: Math.floor(world.now().getTime() / 1000),
    auth: authBlock(world, known, true),
  });
  return { url: registration.handler, form };
}

export function findStep(world: World, workflowId: string, code: string) {
  const workflow = world.workflows.get(workflowId);
  for (const chain of workflow?.chains ?? []) {
    const index = chain.findIndex(({ step }) => step.code === code || step.activityName === code);
    if (workflow !== undefined && index >= 0) return { workflow, chain, index };
  }
  throw new Error(`portal sandbox: workflow ${workflowId} has no step ${code}`);
}

/** The call of a started step as it goes over the wire, with a fresh pair of tokens. */
export function buildRobotCall(world: World, workflowId: string, code: string) {
  const { workflow, chain, index } = findStep(world, workflowId, code);
  const { robot } = chain[index] as Workflow['chains'][number][number];
  const registration = world.robots.get(robot.code);
  if (registration === undefined) throw new Error(`portal sandbox: robot ${robot.code} is not registered`);
  return callOf(world, workflow, chain, index, registration);
}

/** Closes a waiting step with whitelisted outputs; everything else is ignored without a word. */
export function resume(world: World, eventToken: string, values: Fields, message: string): void {
  if (world.misbehave.lockedSteps > 0) {
    world.misbehave.lockedSteps--;
    return;
  }
  const workflow = world.workflows.get(eventToken.split('|')[0] ?? '');
  for (const chain of workflow?.chains ?? []) {
    const index = chain.findIndex(({ step }) => step.eventToken === eventToken);
    const entry = chain[index];
    if (workflow === undefined || entry === undefined || entry.step.status !== 'waiting') continue;
    const declared = world.robots.get(entry.robot.code)?.returnProperties ?? {};
    const given = new Map(Object.entries(values).map(([key, value]) => [key.toLowerCase(), value]));
    for (const key of Object.keys(declared)) {
      if (given.has(key.toLowerCase())) entry.step.outputs[key] = stored(given.get(key.toLowerCase()));
    }
    entry.step.log.push(message === '' ? 'Получен ответ приложения' : message);
    entry.step.status = 'closed';
    runFrom(world, workflow, chain, index + 1);
  }
}

/** Empty values are kept raw, `true` shows as 1, other scalars as text. */
function stored(value: unknown): unknown {
  if (value === '' || value === 0 || value === false || value === null || value === undefined) return value;
  if (Array.isArray(value)) return value.map(stored);
  return text(value);
}
