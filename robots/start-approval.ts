import { z } from 'zod';
import { findDocument } from '../src/documents/make/find-document.ts';
import { contract } from '../src/documents/types/document-types.ts';
import { shorten } from '../src/lib/text.ts';
import { RobotFailure } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import { namedEmployee } from '../src/robot/people.ts';
import type { DocumentState } from '../src/robot/ports/document-state.ts';
import { defineRobot, SALES_ITEMS } from '../src/robot/robot.ts';
import { inputMissing, invalid } from '../src/robot/run/inputs.ts';
import { parseDateTime, WireValueError } from '../src/robot/wire-values.ts';

const label = {
  type: { ru: 'Тип согласования', en: 'Approval type' },
  signatory: { ru: 'Подписант', en: 'Signatory' },
  approvers: { ru: 'Согласующие', en: 'Approvers' },
  deadline: { ru: 'Срок', en: 'Deadline' },
};

const inputs = z.object({
  document_id: field
    .int(
      { ru: 'ИД документа', en: 'Document id' },
      { ru: 'Пусто = документ этой сделки', en: 'Empty = the document of this deal' },
    )
    .optional(),
  slot: field.slot(contract),
  approval_type: field
    .select(label.type, {
      auto: { ru: 'Автоматически', en: 'Automatic' },
      rule: { ru: 'По регламенту', en: 'By rule' },
      process: { ru: 'По процессу', en: 'By process' },
      free: { ru: 'Свободное', en: 'Free' },
    })
    .default('auto'),
  our_signatory: field
    .user(label.signatory, { ru: 'Не для свободного согласования', en: 'Not for a free approval' })
    .optional(),
  approvers: z
    .array(
      field.user(label.approvers, {
        ru: 'Дополнительные; обязательны для свободного согласования',
        en: 'Additional ones; required for a free approval',
      }),
    )
    .optional(),
  deadline: field
    .datetime(label.deadline, { ru: 'Только для свободного согласования', en: 'Free approval only' })
    .optional(),
  comment: field.text({ ru: 'Комментарий', en: 'Comment' }).optional(),
  rules: field.rules(),
});

/** Sends a document of Directum RX to approval: one running task per document. */
export const startApproval = defineRobot({
  code: 'directum_start_approval',
  name: { ru: 'Directum: отправить на согласование', en: 'Directum: start approval' },
  description: {
    ru: 'Запускает согласование документа в Directum RX. Если оно уже идёт, вернёт идущую задачу.',
    en: 'Starts the approval of a document in Directum RX. If one is running, returns that task.',
  },
  items: SALES_ITEMS,
  inputs,
  fills: ['approval_type', 'our_signatory', 'approvers', 'comment'],

  outputs: z.object({
    task_id: field.int({ ru: 'ИД задачи', en: 'Task id' }),
    task_url: field.string({ ru: 'Ссылка на задачу', en: 'Task link' }),
    task_started: field.bool({ ru: 'Запущена сейчас', en: 'Started now' }),
  }),

  async run(given, context) {
    const { portal, directum, settings, log } = context;
    const free = given.approval_type === 'free';
    const approvers = [...new Set(given.approvers ?? [])];
    if (free && approvers.length === 0) throw inputMissing(label.approvers);
    const deadline =
      free && given.deadline !== undefined ? readDeadline(given.deadline, settings.timeZone) : null;

    const document = await findDocument(given, context);
    assertApprovable(document);

    const signatory = free ? undefined : given.our_signatory;
    const people = signatory === undefined ? approvers : [...approvers, signatory];
    let signatoryId: number | null = null;
    const approverIds: number[] = [];
    if (people.length > 0) {
      const snapshot = await portal.read({ users: people });
      if (signatory !== undefined)
        signatoryId = (await namedEmployee(signatory, snapshot, directum, label.signatory)).id;
      for (const user of approvers)
        approverIds.push((await namedEmployee(user, snapshot, directum, label.approvers)).id);
    }

    const task = await directum.approvals.start({
      documentId: document.id,
      type: given.approval_type,
      signatoryId,
      // Two portal users may share one employee's e-mail.
      approverIds: [...new Set(approverIds)],
      deadline,
      text: given.comment ?? null,
    });
    log.info('approval.ready', { documentId: document.id, taskId: task.taskId, started: task.started });
    return { task_id: task.taskId, task_url: task.url, task_started: task.started };
  },
});

function readDeadline(text: string, timeZone: string): string {
  try {
    return parseDateTime(text, timeZone);
  } catch (error) {
    if (!(error instanceof WireValueError)) throw error;
    throw invalid(label.deadline, text, error.text);
  }
}

function assertApprovable(document: DocumentState): void {
  const { name, id, lifeCycleState, internalApprovalState, lastVersionApproved, exchangeState } = document;
  const shown = `«${shorten(name, 120)}» (${id})`;
  if (internalApprovalState === 'Signed' || lastVersionApproved || exchangeState === 'Signed') {
    throw new RobotFailure('document_not_approvable', {
      ru: `Документ ${shown} уже подписан. Согласовывать его снова не нужно; для изменений создайте новый документ.`,
      en: `The document ${shown} is already signed. It needs no approval; make a new document for changes.`,
    });
  }
  if (lifeCycleState === 'Obsolete' || lifeCycleState === 'Terminated') {
    throw new RobotFailure('document_not_approvable', {
      ru: `Документ ${shown} аннулирован или расторгнут. Верните его в разработку в Directum или создайте новый.`,
      en: `The document ${shown} is annulled or terminated. Return it to draft in Directum or make a new one.`,
    });
  }
}
