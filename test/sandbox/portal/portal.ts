import type { Server } from 'node:http';
import { allMethods } from './all-methods.ts';
import {
  buildRobotCall,
  findStep,
  moveItem,
  type PlaceOptions,
  placeRobot,
  stepsOf,
  terminate,
} from './automation.ts';
import { createWorld, SCOPES } from './create-world.ts';
import { addDepartment, addFile, addItem, addUser, textRow } from './data.ts';
import { addType, documentType, ensureStage, itemsOf } from './entities.ts';
import { createFrames } from './frames/frames.ts';
import { addTemplate, type GivenTemplate, type MadeDocument } from './generator/memory.ts';
import {
  clickActivity,
  finishInstall,
  install,
  openInstallerPage,
  type PageOptions,
  uninstall,
  update,
} from './life.ts';
import { createMisbehave } from './misbehave.ts';
import { createRights } from './rights.ts';
import { isOffered } from './robots.ts';
import { createApp, listen } from './server.ts';
import { issueTokens } from './tokens.ts';
import type { Activity, Fields, PlacedRobot, PortalOptions, Step, Workflow } from './types.ts';
import { addUserField } from './user-fields.ts';
import { hex, nextId, type World } from './world.ts';

export type * from './types.ts';

const SHELF_MS = 5;

export type Portal = Awaited<ReturnType<typeof startPortal>>;

/** A stand-in Bitrix24 portal with its OAuth server on one local address. */
export async function startPortal(options: PortalOptions) {
  const host = options.host ?? '127.0.0.1';
  const servers: Server[] = [];
  const world: World = Object.assign(createWorld(options), {
    misbehave: createMisbehave(
      () => world,
      async (newUrl) => {
        // An address of this machine is listened at; any other is only pointed to.
        const port =
          newUrl === undefined ? 0 : new URL(newUrl).hostname === host ? Number(new URL(newUrl).port) : null;
        const moved = port === null ? undefined : await listen(app, port, host);
        if (moved !== undefined) servers.push(moved.server);
        world.url = moved?.url ?? newUrl ?? world.url;
        return world.url;
      },
    ),
  });
  const methods = allMethods(world);
  const app = createApp(world, methods, options.rate ?? { perSecond: 2, bucket: 50 });
  const first = await listen(app, options.port ?? 0, host);
  servers.push(first.server);
  world.url = world.oauthUrl = first.url;
  addUser(world, { NAME: 'Анна', LAST_NAME: 'Админова', EMAIL: 'admin@portal.example', ADMIN: true });

  const step = (workflowId: string, code: string): Step => {
    const { chain, index } = findStep(world, workflowId, code);
    return (chain[index] as Workflow['chains'][number][number]).step;
  };
  const row = (table: Fields[], first: number, what: string, fields: Fields, defaults: Fields): number => {
    const id = Number(fields['ID'] ?? nextId(world, what, first));
    table.push(textRow({ ACTIVE: 'Y', SORT: 500, ...defaults, ...fields, ID: id }));
    return id;
  };

  return {
    get url() {
      return world.url;
    },
    oauthUrl: world.oauthUrl,
    memberId: world.memberId,
    get applicationToken() {
      return world.applicationToken;
    },
    journal: world.journal,
    deliveries: world.deliveries,
    /** The whole memory, for what has no verb here. */
    world,

    addCompany: (fields: Fields): number => addItem(world, 4, { isMyCompany: 'N', ...fields }),
    addContact: (fields: Fields): number => addItem(world, 3, fields),
    addRequisite: (fields: Fields): number =>
      row(world.requisites, 21, 'requisite', fields, {
        PRESET_ID: 1,
        NAME: 'Реквизиты',
        RQ_INN: null,
        RQ_KPP: null,
      }),
    addBankDetail: (fields: Fields): number =>
      row(world.bankDetails, 61, 'bankDetail', fields, { ENTITY_TYPE_ID: 8, COUNTRY_ID: 1, NAME: 'Счёт' }),
    addAddress: (fields: Fields): void => {
      const address = textRow({ TYPE_ID: 6, ENTITY_TYPE_ID: 8, ...fields });
      const key = (one: Fields): string => `${one['TYPE_ID']}:${one['ENTITY_TYPE_ID']}:${one['ENTITY_ID']}`;
      if (world.addresses.some((one) => key(one) === key(address))) throw new Error('TypeAddress exists');
      world.addresses.push(address);
    },
    addUser: (fields: Fields): number => addUser(world, fields),
    addDepartment: (fields: Fields): number => addDepartment(world, fields),
    addItem: (entityTypeId: number, fields: Fields): number => addItem(world, entityTypeId, fields),
    addType: (entityTypeId: number, title?: string) => addType(world, entityTypeId, title),
    addStage: (entityTypeId: number, stage: string, name?: string): void =>
      ensureStage(world, entityTypeId, stage, name),
    addUserField: (entityId: string, fieldName: string, userTypeId: string, more?: { multiple?: boolean }) =>
      addUserField(world, entityId, fieldName, userTypeId, more),
    setRequisiteLink: (entityTypeId: number, entityId: number, link: Fields): void => {
      const empty = { REQUISITE_ID: 0, BANK_DETAIL_ID: 0, MC_REQUISITE_ID: 0, MC_BANK_DETAIL_ID: 0 };
      const full = { ...empty, ...link, ENTITY_TYPE_ID: entityTypeId, ENTITY_ID: entityId };
      world.links.set(`${entityTypeId}:${entityId}`, textRow(full));
    },
    addFile: (entityTypeId: number, id: number, ufField: string, name: string, bytes: Buffer): void =>
      addFile(world, entityTypeId, id, ufField, name, bytes),
    fileBytes: (fileId: number): Buffer | undefined => world.files.get(fileId)?.bytes,
    /** The stored row: camelCase system names, original UF names. */
    item: (entityTypeId: number, id: number): Fields => {
      const found = itemsOf(world, entityTypeId).get(id);
      if (found === undefined) throw new Error(`portal sandbox: no item ${entityTypeId}:${id}`);
      return found;
    },
    setItem: (entityTypeId: number, id: number, fields: Fields): void =>
      void Object.assign(itemsOf(world, entityTypeId).get(id) ?? {}, fields),
    removeItem: (entityTypeId: number, id: number): void => void itemsOf(world, entityTypeId).delete(id),
    timeline: (entityTypeId: number, id: number) => world.timeline.get(`${entityTypeId}:${id}`) ?? [],
    activities: (entityTypeId: number, id: number): Activity[] =>
      world.activities.filter((one) => one.ownerTypeId === entityTypeId && one.ownerId === id),
    clickActivity: (activityId: number, button: string) => clickActivity(world, activityId, button),
    notices: () => [...world.notices],
    tasks: (): Fields[] => [...world.tasks.values()],
    addTemplate: (template: GivenTemplate): number => addTemplate(world, template),
    documents: (): MadeDocument[] => [...world.generator.documents.values()],
    robots: (): string[] => [...world.robots.keys()],
    triggerRuns: world.triggerRuns,

    install: (installUrl: string) => install(world, installUrl),
    openInstallerPage: (installUrl: string, opts?: PageOptions) => openInstallerPage(world, installUrl, opts),
    finishInstall: () => finishInstall(world),
    isInstalled: (): boolean => world.app.installed,
    uninstall: (opts: { clean?: boolean } = {}) => uninstall(world, opts.clean ?? false),
    update: () => update(world),

    placeRobot: (stage: string, code: string, properties: Fields, opts?: PlaceOptions): PlacedRobot =>
      placeRobot(world, stage, code, properties, opts),
    isOffered: (code: string, entityTypeId: number): boolean => {
      const registration = world.robots.get(code);
      return registration !== undefined && isOffered(registration, documentType(entityTypeId));
    },
    placeTrigger: (stage: string, code: string, entityTypeId = 2): void => {
      ensureStage(world, entityTypeId, stage);
      world.placedTriggers.push({ entityTypeId, stage, code });
    },
    moveItem: async (entityTypeId: number, id: number, stage: string): Promise<string> =>
      moveItem(world, entityTypeId, id, stage),
    terminateWorkflow: (workflowId: string): void => {
      const workflow = world.workflows.get(workflowId);
      if (workflow !== undefined) terminate(workflow);
    },
    step,
    steps: (workflowId: string): Step[] => {
      const workflow = world.workflows.get(workflowId);
      return workflow === undefined ? [] : stepsOf(workflow);
    },
    waitForStep: async (workflowId: string, code: string, timeoutMs: number): Promise<Step> => {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const one = step(workflowId, code);
        if (one.status === 'closed') return one;
        if (one.status === 'terminated' || one.status === 'failed' || performance.now() > until) {
          throw new Error(`portal sandbox: step ${code} is ${one.status}, not closed`);
        }
        await new Promise((done) => setTimeout(done, SHELF_MS));
      }
    },
    buildRobotCall: (workflowId: string, code: string): { url: string; form: Record<string, string> } =>
      buildRobotCall(world, workflowId, code),
    /** A fresh pair of a user, as a page or an event would bring it. */
    tokens: (userId = 1) => {
      world.app.present = true;
      return issueTokens(world, userId);
    },
    /** A pair that the portal issued to another application of its own. */
    foreignTokens: (userId = 1) => issueTokens(world, userId, 'local.another'),
    /** Address of an incoming webhook: a token without the application's context. */
    addWebhook: (userId = 1): string => {
      const secret = hex(8);
      const grant = {
        userId,
        context: 'webhook' as const,
        application: '',
        scopes: SCOPES,
        refreshToken: '',
      };
      world.access.set(`webhook:${userId}:${secret}`, { ...grant, expiresAt: Number.POSITIVE_INFINITY });
      return `${world.url}/rest/${userId}/${secret}/`;
    },
    misbehave: world.misbehave,
    rights: createRights(world),
    frames: createFrames(world),
    /** Until every call, event and answer under way has been dealt with. */
    settled: async (): Promise<void> => {
      while (world.background.size > 0) await Promise.allSettled([...world.background]);
    },
    stop: async (): Promise<void> => {
      world.stopping.abort();
      for (const timer of world.timers) clearTimeout(timer);
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((done) => {
              server.close(() => done());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}
