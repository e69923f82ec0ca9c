import { RobotFailure } from '../../robot/failure.ts';
import type { DocumentCard, FieldLabel, Reference } from '../../robot/ports/directum.ts';
import type { RobotContext } from '../../robot/robot.ts';
import type { DocumentInputs, Making } from './document-inputs.ts';

/** From what the first version is made. */
type Version = { template: Reference } | { fileField: string };

/**
 * Looks at the template or file before anything is made, so that a wrong one leaves no half document; null when none
 * is asked for or the document has its version.
 */
export async function checkVersion(
  { type, label }: Making,
  { template, file_field: fileField }: DocumentInputs,
  { portal, directum }: RobotContext,
  existing: DocumentCard | null,
): Promise<Version | null> {
  if (template === undefined && fileField === undefined) return null;
  if (existing && (await directum.versions.hasBody(type, existing.id))) return null;
  if (template !== undefined)
    return { template: await directum.catalogue.template(template, label.template) };
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

/** Makes the first version. */
export async function addVersion(
  { type, label }: Making,
  version: Version,
  card: DocumentCard,
  slot: string,
  { portal, directum, slots }: RobotContext,
): Promise<void> {
  if ('template' in version) return directum.versions.fromTemplate(type, card.id, version.template.id);
  const stored = await ofFileField(label.file, async () =>
    directum.versions.fromFile(type, card.id, await portal.openFile(version.fileField)),
  );
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
