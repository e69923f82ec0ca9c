import { z } from 'zod';
import { findDocument } from '../src/documents/make/find-document.ts';
import { stateOutputs, toStateOutputs, whichDocument } from '../src/documents/make/step-fields.ts';
import { RobotFailure } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import type { DirectumPort } from '../src/robot/ports/directum.ts';
import type { DocumentState, TaskState } from '../src/robot/ports/document-state.ts';
import { defineRobot, type RobotContext, SALES_ITEMS, Waiting } from '../src/robot/robot.ts';
import { invalid } from '../src/robot/run/inputs.ts';
import { readSigning, toSigning, toVerdict, toWaitText, type Verdict } from '../src/robot/signature.ts';

const hoursName = { ru: 'Ждать не дольше, часов', en: 'Wait at most, hours' };
const MOST_HOURS = 8760;
/** How long an answer that is due waits for Directum's last word. */
const LAST_WORD_MS = 2_000;
/** No attempt takes so long, so an end that is further off cannot come in the middle of one. */
const LONGEST_ATTEMPT_MS = 3_600_000;

const inputs = z.object({
  ...whichDocument,
  wait_for: field
    .select(
      { ru: 'Чего ждать', en: 'Wait for' },
      {
        us: { ru: 'Подписи с нашей стороны', en: 'Signature of our side' },
        both: { ru: 'Подписей обеих сторон', en: 'Signatures of both sides' },
        approval: { ru: 'Согласования', en: 'Approval' },
      },
    )
    .default('us'),
  max_wait_hours: field.int(hoursName, { ru: 'От 1 до 8760', en: '1 to 8760' }).optional(),
  signed_file_field: field
    .string(
      { ru: 'Поле для подписанного файла', en: 'Field for the signed file' },
      { ru: 'Код файлового поля сделки', en: "Code of the deal's file field" },
    )
    .optional(),
});

type Inputs = z.output<typeof inputs>;

/** Holds the step until the document is signed or approved in Directum RX, or never will be. */
export const waitSignature = defineRobot({
  code: 'directum_wait_signature',
  name: { ru: 'Directum: ждать подписания', en: 'Directum: wait for signature' },
  description: {
    ru: 'Ждёт, пока документ подпишут или согласуют в Directum RX, и передаёт результат следующим роботам.',
    en: 'Waits until the document is signed or approved in Directum RX and hands the result to the next robots.',
  },
  items: SALES_ITEMS,
  waits: true,
  inputs,

  outputs: z.object({
    result: field.string({ ru: 'Результат', en: 'Result' }),
    signed_by: field.string({ ru: 'Подписал', en: 'Signed by' }),
    signed_at: field.string({ ru: 'Когда подписан', en: 'Signed at' }),
    ...stateOutputs,
    watched_document_id: field.int({ ru: 'ИД документа', en: 'Document id' }),
    document_url: field.string({ ru: 'Ссылка на документ', en: 'Document link' }),
  }),

  async run(given, context) {
    const { directum, wait, log } = context;
    if (given.max_wait_hours !== undefined && given.max_wait_hours > MOST_HOURS) {
      throw invalid(hoursName, String(given.max_wait_hours), {
        ru: `укажите от 1 до ${MOST_HOURS} часов`,
        en: `give 1 to ${MOST_HOURS} hours`,
      });
    }
    const until = wait.until(given.max_wait_hours);
    const left = wait.left(until);
    const before = await wait.last();
    const { known, gone, task } = before
      ? await look(before, left, directum)
      : await begin(given, context, left);
    const isOver = wait.left(until) <= 0;
    const verdict =
      toVerdict({ document: gone ? null : known, task }, given.wait_for) ??
      (isOver ? ({ result: 'expired' } as const) : null);
    if (verdict === null)
      return new Waiting({ documentId: known.id, waitFor: given.wait_for, until, document: known, task });

    const succeeded = verdict.result === 'signed' || verdict.result === 'approved';
    const outputs = toOutputs(verdict, known, await signingOf(known, task, succeeded && !isOver, directum));
    log.info('wait.over', { documentId: known.id, result: verdict.result });
    if (!succeeded) {
      throw new RobotFailure(verdict.result as 'rejected', toWaitText(verdict, known.name, given.wait_for), {
        known: outputs,
      });
    }
    try {
      if (given.signed_file_field !== undefined && verdict.result === 'signed')
        await handOver(known, given.signed_file_field, context);
    } catch (error) {
      throw error instanceof RobotFailure ? error.withKnown(outputs) : error;
    }
    return outputs;
  },
});

interface DocumentSnapshot {
  /** The document as it was seen last. */
  known: DocumentState;
  gone: boolean;
  task: TaskState | null;
}

/** The first look: finds the document and checks what a long wait would otherwise stumble over at its end. */
async function begin(given: Inputs, context: RobotContext, left: number): Promise<DocumentSnapshot> {
  if (given.signed_file_field !== undefined) await context.portal.checkFileField(given.signed_file_field);
  const first = (async (): Promise<DocumentSnapshot> => {
    const known = await findDocument(given, context);
    return { known, gone: false, task: await context.directum.states.newestTask(known.id) };
  })();
  return inTime(first, left, (cause) => {
    if (cause !== undefined && !(cause instanceof RobotFailure && cause.heals)) throw cause;
    throw new RobotFailure(
      'expired',
      {
        ru: 'Отведённое время прошло, а Directum всё это время не отвечал. Проверьте документ в Directum и запустите ожидание снова.',
        en: 'The time given has passed and Directum did not answer. Check the document in Directum and start the wait again.',
      },
      { cause, known: { result: 'expired' } },
    );
  });
}

/** A later look. When the time is over, what was seen before has to do if Directum keeps silent. */
async function look(
  before: { documentId: number; document: DocumentState; task: TaskState | null },
  left: number,
  { states }: DirectumPort,
): Promise<DocumentSnapshot> {
  const fresh = (async (): Promise<DocumentSnapshot> => {
    const [document, task] = await Promise.all([
      states.read(before.documentId),
      states.newestTask(before.documentId),
    ]);
    // A task that may not be read any more is not "no task".
    return { known: document ?? before.document, gone: document === null, task: task ?? before.task };
  })();
  return inTime(fresh, left, () => ({ known: before.document, gone: false, task: before.task }));
}

/**
 * The answer of `question`, or `otherwise` once the time is over and Directum had a moment for its last word. A failure
 * counts as silence only then: before, the attempt is made again.
 */
async function inTime<T>(question: Promise<T>, left: number, otherwise: (cause?: unknown) => T): Promise<T> {
  if (left > LONGEST_ATTEMPT_MS) return question;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, left) + LAST_WORD_MS);
  }).then(() => otherwise());
  const answer = left > 0 ? question : question.catch(otherwise);
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** The signing assignment is asked while there is time; where none is `needed`, the card has to do when Directum is slow. */
async function signingOf(
  document: DocumentState,
  task: TaskState | null,
  needed: boolean,
  { states }: DirectumPort,
): Promise<{ by: string; at: string }> {
  const onCard = toSigning(document, null);
  if (onCard === null) return { by: '', at: '' };
  const asked = readSigning(task, states);
  return toSigning(document, await (needed ? asked : inTime(asked, 0, () => null))) ?? onCard;
}

function toOutputs(verdict: Verdict, document: DocumentState, signing: { by: string; at: string }) {
  return {
    result: verdict.result,
    signed_by: signing.by,
    signed_at: signing.at,
    ...toStateOutputs(document),
    watched_document_id: document.id,
    document_url: document.url,
  };
}

/** Puts the signed file into the item, once for this run. */
async function handOver(
  document: DocumentState,
  fieldCode: string,
  { directum, portal, wait, log }: RobotContext,
): Promise<void> {
  if ((await wait.savedFile()) !== null) return;
  const file = await directum.states.fetchSigned(document);
  try {
    await portal.saveFile(fieldCode, file);
    await wait.fileSaved(file.sha256);
    log.info('file.saved', { documentId: document.id, size: file.size });
  } finally {
    await file.cancel();
  }
}
