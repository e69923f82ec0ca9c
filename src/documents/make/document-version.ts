import { RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard, FieldLabel, Reference } from '../../robot/ports/directum.ts';
import type { CrmTemplate } from '../../robot/ports/portal.ts';
import type { RobotContext } from '../../robot/robot.ts';
import type { DocumentInputs, Making } from './inputs-outputs.ts';

/** From what the first version is made. */
export type Version = { template: Reference } | { fileField: string } | { crmTemplate: CrmTemplate };

/**
 * Looks at the template or file before anything is made, so that a wrong one leaves no half document; null when none
 * is asked for or the document has its version.
 */
export async function checkVersion(
  { type, label }: Making,
  { template, file_field: fileField, crm_template: crmTemplate }: DocumentInputs,
  { portal, directum }: RobotContext,
  existing: DocumentCard | null,
): Promise<Version | null> {
  if (template === undefined && fileField === undefined && crmTemplate === undefined) return null;
  if (existing && (await directum.versions.hasBody(type, existing.id))) return null;
  if (template !== undefined)
    return { template: await directum.catalogue.template(template, label.template) };
  if (crmTemplate !== undefined)
    return { crmTemplate: await portal.findTemplate(crmTemplate, label.crmTemplate) };
  if (fileField === undefined) return null;
  await ofFileField(label.file, async () => {
    const file = await portal.openFile(fileField);
    try {
      await directum.versions.checkFile(file);
    } finally {
      await file.cancel();
    }
  });
  return { fileField };
}

/** Makes the first version of a card that is bound to its slot; `isNew`: this attempt made the card. */
export async function addVersion(
  { type, label }: Making,
  version: Version,
  { card, slot, isNew }: { card: DocumentCard; slot: string; isNew: boolean },
  context: RobotContext,
): Promise<void> {
  const { portal, directum, slots } = context;
  if ('template' in version) return directum.versions.fromTemplate(type, card.id, version.template.id);
  const isGenerated = 'crmTemplate' in version;
  const stored = await ofFileField(isGenerated ? label.crmTemplate : label.file, async () => {
    const file = isGenerated
      ? await portal.generateFile({
          template: version.crmTemplate,
          // With the card's id, because a contract made anew in the slot needs a document of its own.
          key: `${slots.externalId(slot)} ${card.id}`,
          label: label.crmTemplate,
          isNew,
          known: isNew ? null : await slots.generated(slot),
          keep: (generatedId) => slots.keepGenerated(slot, card.id, generatedId),
        })
      : await portal.openFile(version.fileField);
    return directum.versions.fromFile(type, card.id, file);
  });
  await slots.bind(slot, { id: card.id, url: card.url, file: stored });
}

/** A file that cannot be used is told under the title of the robot's field. */
async function ofFileField<T>(label: FieldLabel, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isFile = error instanceof RobotFailure && error.code === 'file_unusable';
    throw isFile ? error.about(label) : error;
  }
}
