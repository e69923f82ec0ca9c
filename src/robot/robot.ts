/**
 * Glossary. Robot: what an administrator puts on a stage. Step: one placed robot at work in a portal's workflow.
 * Run: our work for one call of a step. Outcome: how a run's attempt ended. Wait: a run that sleeps until Directum shows what it asked for. Item: the CRM record the step works
 * on. Portal: a Bitrix24. Card: a record in Directum RX.
 */
import type { z } from 'zod';
import type { DocumentType } from '../documents/types/document-types.ts';
import type { Language, LocalText } from './failure.ts';
import type { DirectumPort } from './ports/directum.ts';
import type { DocumentSlotsPort } from './ports/document-slots.ts';
import type { DocumentState, TaskState } from './ports/document-state.ts';
import type { Log } from './ports/log.ts';
import type { ItemRef, PortalPort } from './ports/portal.ts';
import type { WaitPort } from './ports/wait.ts';
import type { Problems } from './problems.ts';

export interface RobotSettings {
  /** Document kinds by the code of a document type, for steps that name none. */
  documentKinds: Partial<Record<DocumentType['code'], string>>;
  businessUnit: string | null;
  responsible: string | null;
  timeZone: string;
  language: Language;
}

/** Kinds of CRM items a robot may work on (bitrix24.md B3). */
export type ItemKind = 'deal' | 'lead' | 'quote' | 'smart_invoice' | 'dynamic' | 'company' | 'contact';

export const SALES_ITEMS: readonly ItemKind[] = ['deal', 'lead', 'quote', 'smart_invoice', 'dynamic'];

/** Where a value of a document comes from, when a check tells it. */
export type ValueSource = 'input' | 'deal' | 'party' | 'setting' | 'responsible' | 'leading' | 'directum';

/** A value that is told with its source. */
export interface Sourced<T> {
  value: T;
  from: ValueSource;
}

/** A value that Directum would be given. */
export interface CheckedValue {
  field: LocalText;
  value: string;
  /** Code of the input that gave it, where one did. */
  input: string | null;
  from: ValueSource;
}

/** A run that only checks (interface.md §3, Checking): what it finds is collected, and nothing is written. */
export interface Checking {
  problems: Problems;
  values: CheckedValue[];
  /** Outputs that are known without doing anything. */
  known: Record<string, unknown>;
}

/** What a robot is given to do its work. */
export interface RobotContext {
  item: ItemRef;
  portal: PortalPort;
  directum: DirectumPort;
  slots: DocumentSlotsPort;
  wait: WaitPort;
  settings: RobotSettings;
  /** Null when the work is to be done. */
  checking: Checking | null;
  log: Log;
}

/** What a robot returns instead of outputs when Directum has nothing to answer with yet. */
export class Waiting {
  readonly documentId: number;
  readonly waitFor: string;
  readonly until: Date;
  readonly document: DocumentState;
  readonly task: TaskState | null;
  constructor(wait: {
    documentId: number;
    waitFor: string;
    until: Date;
    document: DocumentState;
    task: TaskState | null;
  }) {
    this.documentId = wait.documentId;
    this.waitFor = wait.waitFor;
    this.until = wait.until;
    this.document = wait.document;
    this.task = wait.task;
  }
}

type Shape = Record<string, z.ZodType>;

interface Robot<Inputs extends Shape = Shape, Outputs extends Shape = Shape> {
  /** `directum_…`, for ever: it stands inside customers' saved robots. */
  code: string;
  name: LocalText;
  description: LocalText;
  items: readonly ItemKind[];
  /** It may wait; when its time is over it answers whether Directum does or not. */
  waits?: true;
  inputs: z.ZodObject<Inputs>;
  /**
   * Of a robot with an input `rules`: the inputs that a decision table may fill (interface.md §8); by `document_type` for a
   * robot that makes several.
   */
  fills?: readonly string[] | Readonly<Record<string, readonly string[]>>;
  outputs: z.ZodObject<Outputs>;
  /** Idempotent and resumable: it may be run again after a crash at any point. @throws RobotFailure */
  run(
    inputs: z.output<z.ZodObject<Inputs>>,
    context: RobotContext,
  ): Promise<z.output<z.ZodObject<Outputs>> | Waiting>;
}

const declared = new WeakSet<object>();

/** Declares a robot: what the portal registers, and what is done for a step of it. */
export function defineRobot<I extends Shape, O extends Shape>(robot: Robot<I, O>): Robot<I, O> {
  declared.add(robot);
  return robot;
}

/** A robot whose inputs and outputs are known only at run time. */
// biome-ignore lint/suspicious/noExplicitAny: lists of robots hold different shapes; run-robot.ts parses before it calls
export type AnyRobot = Robot<any, any>;

/** Was it made with `defineRobot`? */
export function isRobot(value: unknown): value is AnyRobot {
  return typeof value === 'object' && value !== null && declared.has(value);
}
