import { z } from 'zod';
import { STATUS_WORDS } from '../src/documents/facts/status-words.ts';
import { findDocument } from '../src/documents/make/find-document.ts';
import { stateOutputs, toStateOutputs, whichDocument } from '../src/documents/make/step-fields.ts';
import { toStatus } from '../src/documents/observe/status.ts';
import { knowing, RobotFailure } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import type { DocumentState } from '../src/robot/ports/document-state.ts';
import { defineRobot, type RobotContext, SALES_ITEMS } from '../src/robot/robot.ts';
import { readSigning, toSigning } from '../src/robot/signature.ts';

const inputs = z.object(whichDocument);

/** Tells at once how a document of Directum RX stands; it waits for nothing. */
export const documentStatus = defineRobot({
  code: 'directum_document_status',
  name: { ru: 'Directum: состояние документа', en: 'Directum: document status' },
  description: {
    ru: 'Сразу отвечает, в каком состоянии документ Directum RX и у кого он сейчас.',
    en: 'Answers at once how a document of Directum RX stands and who holds it.',
  },
  items: SALES_ITEMS,
  inputs,

  outputs: z.object({
    status: field.string({ ru: 'Статус', en: 'Status' }),
    status_text: field.string({ ru: 'Статус словами', en: 'Status in words' }),
    status_since: field.string({ ru: 'В статусе с', en: 'In the status since' }),
    held_by: field.string({ ru: 'У кого документ', en: 'Held by' }),
    held_since: field.string({ ru: 'У него с', en: 'Held since' }),
    ...stateOutputs,
    registration_date: field.string({ ru: 'Дата регистрации', en: 'Registration date' }),
    signed_by: field.string({ ru: 'Подписал', en: 'Signed by' }),
    document_name: field.string({ ru: 'Имя документа', en: 'Document name' }),
    document_url: field.string({ ru: 'Ссылка на документ', en: 'Document link' }),
    task_url: field.string({ ru: 'Ссылка на задачу', en: 'Task link' }),
    checked_document_id: field.int({ ru: 'ИД документа', en: 'Document id' }),
  }),

  async run(given, context) {
    const { directum, slots, settings } = context;
    const document = await findOrDeleted(given, context);
    const id = typeof document === 'number' ? document : document.id;
    const last = await slots.lastStatus(id);
    const state = typeof document === 'number' ? null : document;
    const known = Object.keys(STATUS_WORDS) as (keyof typeof STATUS_WORDS)[];
    // One that is shown again is not deleted, whatever its states mean.
    const before = known.find((one) => one === last?.status && one !== 'deleted') ?? null;
    const { status } = toStatus(state, before);
    const since = last?.status === status ? last?.since : state?.modified;
    const told = {
      status: status ?? '',
      status_text: status === null ? '' : STATUS_WORDS[status].title[settings.language],
      status_since: since ?? '',
      checked_document_id: id,
    };
    if (state === null) return { ...EMPTY, ...told };
    const shown = {
      ...EMPTY,
      ...told,
      ...toStateOutputs(state),
      document_name: state.name,
      document_url: state.url,
    };
    return knowing(shown, async () => {
      const { holders, since: heldSince, taskUrl } = await directum.states.work(id);
      return {
        ...shown,
        held_by: holders.join(', '),
        held_since: heldSince ?? '',
        registration_date: (await directum.states.registrationDate(id)) ?? '',
        signed_by: await findSigner(state, directum),
        task_url: taskUrl ?? '',
      };
    });
  },
});

const EMPTY = {
  held_by: '',
  held_since: '',
  internal_state: '',
  external_state: '',
  lifecycle_state: '',
  registration_number: '',
  registration_date: '',
  signed_by: '',
  document_name: '',
  document_url: '',
  task_url: '',
};

/** Who signed for our side. */
async function findSigner(document: DocumentState, { states }: RobotContext['directum']): Promise<string> {
  const onCard = toSigning(document, null);
  if (onCard === null || (document.internalApprovalState === 'Signed' && onCard.by !== ''))
    return onCard?.by ?? '';
  return toSigning(document, await readSigning(await states.newestTask(document.id), states))?.by ?? '';
}

/** The document, or the id of the slot's one that was deleted. @throws RobotFailure document_not_found */
async function findOrDeleted(
  given: z.output<typeof inputs>,
  context: RobotContext,
): Promise<DocumentState | number> {
  const recorded = given.document_id === undefined ? await context.slots.find(given.slot) : null;
  try {
    return await findDocument(given, context);
  } catch (error) {
    const isNone = error instanceof RobotFailure && error.code === 'document_not_found';
    if (!isNone || recorded === null) throw error;
    return recorded;
  }
}
