import type { ItemRef } from '../../robot/ports/portal.ts';
import type { DocumentStatus } from './document.ts';
import type { TriggerCode } from './facts.ts';

/**
 * What became of one write to a portal. `gone`: the item, task or user is not there; `retry`: a later try may do; `said`:
 * the portal refuses everything of the kind, which was logged once.
 */
export type WriteResult =
  | { ok: true; id?: number }
  | { ok: false; why: 'gone' | 'retry' | 'refused'; said?: true; unsure?: Unsure };

/**
 * A write that may have been done all the same: `failed` = the portal answered that something broke in it, `lost` = its
 * answer never came.
 */
export type Unsure = 'failed' | 'lost';

/** Values of the deal's Directum fields. A null empties the field. */
export interface DealFields {
  status: DocumentStatus | null;
  documentId: number | null;
  url: string | null;
  number: string | null;
  /** ISO with offset. */
  since: string | null;
}

/** What the timeline's one activity of a document shows. */
export interface ActivityCard {
  documentId: number;
  name: string;
  url: string;
  status: DocumentStatus;
  /** ISO with offset. */
  since: string;
  number: string | null;
  /** Who holds it and since when. */
  holders: { name: string; since: string | null }[];
  signer: string | null;
}

/** A Bitrix24 task that stands for an assignment. */
export interface AssignmentTask {
  title: string;
  description: string;
  responsibleUserId: number;
  /** ISO with offset. */
  deadline: string | null;
  item: ItemRef;
}

/** A comment in the timeline of an item; `mark` is a part of its text that no other comment has. */
export interface TimelineComment {
  item: ItemRef;
  text: string;
  mark: string;
  /** What is known of an earlier try that may have left it. */
  unsure: Unsure | null;
}

/** A task of an assignment as the portal shows it. What it does not say is null; a task without a deadline has none. */
export interface SeenTask {
  responsibleUserId: number | null;
  /** ISO with offset. */
  deadline: string | null;
  closed: boolean | null;
}

/** Something that an item shows otherwise than it should; without both values it is not there at all. */
export interface Deviation {
  part: 'fields' | 'activity' | 'task';
  /** Of a field its code, of an activity the line of its card, of a task its id and property. */
  name: string;
  shown: string | null;
  wanted: string | null;
}

/** How an item compares; `refused`: what the portal answered where it does not show something of it. */
export type Compared = 'gone' | { deviations: Deviation[]; refused: string | null };

/**
 * What the package shows in one portal. Each method writes many things with few REST hits and answers in the order
 * given; a whole portal that cannot be reached throws PortalError.
 */
export interface DealPort {
  /** Writes fields of many items in batches; fields of a type are created on first use. Never touches the stage. */
  writeFields(writes: { item: ItemRef; fields: DealFields }[]): Promise<WriteResult[]>;
  /** Makes or updates activities in place. One deleted by hand is made again; `id` of the result is kept by the caller. */
  putActivities(
    cards: { item: ItemRef; activityId: number | null; card: ActivityCard }[],
  ): Promise<WriteResult[]>;
  /** What of it the portal really shows otherwise; fields that are null are not ours to show. */
  compare(
    wanted: { item: ItemRef; fields: DealFields | null; activityId: number | null; card: ActivityCard }[],
  ): Promise<Compared[]>;
  /** Executes triggers with an administrator's token. */
  fireTriggers(triggers: { code: TriggerCode; item: ItemRef }[]): Promise<WriteResult[]>;
  notify(notices: { userId: number; text: string; tag: string }[]): Promise<WriteResult[]>;
  /**
   * Leaves comments in the timelines of items. One that an earlier try may have left is looked for by its mark first; no
   * portal that is away makes this throw.
   */
  comment(comments: TimelineComment[]): Promise<WriteResult[]>;
  /** `taskId` null makes the task; found again by its mark when an earlier attempt's answer was lost. */
  putTasks(
    tasks: { mark: string; taskId: number | null; reopen?: boolean; task: AssignmentTask }[],
  ): Promise<WriteResult[]>;
  /** Tasks as they really are; null for one of which the portal refuses to say anything. */
  readTasks(taskIds: number[]): Promise<(SeenTask | 'gone' | null)[]>;
  /** Completes tasks; with a note, the note is added to the task first. */
  completeTasks(tasks: { taskId: number; note: string | null }[]): Promise<WriteResult[]>;
  /** Title, page and responsible user of items; null for one that is gone. */
  items(
    refs: ItemRef[],
  ): Promise<({ title: string; url: string; responsibleUserId: number | null } | null)[]>;
  /**
   * Active portal users by e-mail (compared case-blind), under the spelling given and in lower case; an e-mail of
   * no user or of several is absent.
   */
  usersByEmail(emails: string[]): Promise<Map<string, number>>;
  /** Those of the users who work in the portal; all of them where it does not say who does. */
  activeUsers(userIds: number[]): Promise<Set<number>>;
  /** The person who installed the application. */
  installer(): number | null;
  /** Page of an item, readable or not. */
  cardUrl(item: ItemRef): string;
  language(): 'ru' | 'en';
}

/** The portals that can be reached now, by the key of their slots; paused and removed ones are not. Asked anew at each step. */
export interface ReachablePortals {
  keys(): string[];
  deals(portal: string): DealPort;
}
