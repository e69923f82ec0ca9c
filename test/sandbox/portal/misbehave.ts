import type { Request, Response } from 'express';
import { record } from './journal.ts';
import type { DocumentMisbehave, Fields, Misbehave, Rule } from './types.ts';
import { isObject } from './wire.ts';
import type { World } from './world.ts';

export function takeRule(world: World, method: string, params: Fields = {}): Rule | undefined {
  const isMeant = ({ method: name = method, holding = '' }: Rule) =>
    name === method && (holding === '' || JSON.stringify(params).includes(holding));
  const index = world.rules.findIndex(isMeant);
  const rule = world.rules[index];
  if (rule === undefined) return undefined;
  const left = (rule.times ?? 1) - 1;
  if (left <= 0) world.rules.splice(index, 1);
  else rule.times = left;
  return rule;
}

/** The error code a canned body speaks of, for the journal. */
export const errorIn = (body: unknown): unknown => (isObject(body) ? body['error'] : undefined);

export interface HttpAnswer {
  status: number;
  body: unknown;
}

/** Answers a request by `work`, unless a rule set by the test says to do worse. */
export async function obey(
  world: World,
  method: string,
  request: Request,
  response: Response,
  params: Fields,
  work: () => Promise<HttpAnswer>,
): Promise<void> {
  const rule = takeRule(world, method, params);
  if (rule?.delayMs !== undefined) await new Promise((done) => setTimeout(done, rule.delayMs));
  if (rule?.until !== undefined) await rule.until;
  if (rule?.hang === true) {
    record(world, method, params, 0, 'hang', false);
    return;
  }
  if (rule !== undefined && (rule.status !== undefined || rule.body !== undefined)) {
    const status = rule.status ?? 200;
    record(world, method, params, status, errorIn(rule.body), false);
    response.status(status).set(rule.headers ?? {});
    if (typeof rule.body === 'string') response.send(rule.body);
    else if (rule.body === undefined) response.end();
    else response.json(rule.body);
    return;
  }
  const { status, body } = await work();
  if (rule?.cutAfterEffect === true) {
    request.socket.destroy();
    return;
  }
  if (rule?.hangAfterEffect === true) return;
  response
    .status(status)
    .set(rule?.headers ?? {})
    .json(body);
}

const goodDocuments = (): DocumentMisbehave => ({
  moduleOff: false,
  limit: null,
  numberFails: false,
  pdfDelayMs: 35_000,
  docxDelayMs: 0,
  transformationError: false,
});

export function createMisbehave(world: () => World, rename: (newUrl?: string) => Promise<string>): Misbehave {
  const misbehave: Misbehave = {
    next: (rule) => void world().rules.push({ ...rule }),
    doubleCalls: false,
    dropCalls: false,
    withoutTokens: false,
    refuseInBatch: new Set(),
    wholeFieldNames: false,
    lockedSteps: 0,
    portalDeleted: false,
    operating: new Map(),
    operatingCost: new Map(),
    refused: new Map(),
    addressTotalStuck: false,
    refuseWrites: false,
    refusedWrites: 0,
    documents: goodDocuments(),
    frames: { silent: false, refreshFails: false },
    expireAccessTokens: () => {
      for (const grant of world().access.values()) grant.expiresAt = 0;
    },
    killRefreshTokens: () => world().refresh.clear(),
    renameTo: rename,
    missingMethods: new Set(),
    removeScopes: (...scopes) => {
      for (const scope of scopes) world().scopes.delete(scope);
    },
    reset: () => {
      world().rules.length = 0;
      misbehave.doubleCalls = false;
      misbehave.dropCalls = false;
      misbehave.withoutTokens = false;
      misbehave.portalDeleted = false;
      misbehave.lockedSteps = 0;
      misbehave.refuseInBatch.clear();
      misbehave.wholeFieldNames = false;
      misbehave.missingMethods.clear();
      misbehave.operating.clear();
      misbehave.operatingCost.clear();
      misbehave.refused.clear();
      misbehave.addressTotalStuck = false;
      misbehave.refuseWrites = false;
      misbehave.refusedWrites = 0;
      misbehave.documents = goodDocuments();
      misbehave.frames = { silent: false, refreshFails: false };
    },
  };
  return misbehave;
}
