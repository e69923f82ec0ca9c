import { z } from 'zod';
import { RobotFailure } from '../../../robot/failure.ts';
import type { StoredFile } from '../../../robot/ports/files.ts';
import type { ItemRef } from '../../../robot/ports/portal.ts';
import { FileContent } from '../../rest/file-content.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { PortalRest } from '../../rest/rest.ts';
import { isYes } from '../../rest/values.ts';
import { getParams } from '../commands.ts';
import { itemShape } from '../shapes.ts';

const MAX_FILE = 50 * 1024 * 1024;
const fieldShape = z.looseObject({
  type: z.string(),
  upperName: z.string().optional(),
  isMultiple: z.unknown(),
});
const fieldsShape = z.object({ fields: z.record(z.string(), z.unknown()) });
const keptShape = z.array(z.looseObject({ id: z.coerce.number().int().positive() }));

interface Target {
  rest: PortalRest;
  memberId: string;
  ref: ItemRef;
}

interface FileField {
  /** The field's stored spelling. */
  code: string;
  multiple: boolean;
}

/** The item's file field of that code, in any spelling (bitrix24.md F1). @throws RobotFailure file_unusable */
export async function findFileField({ rest, memberId, ref }: Target, fieldCode: string): Promise<FileField> {
  const answer = await rest.call(memberId, 'crm.item.fields', {
    entityTypeId: ref.typeId,
    useOriginalUfNames: 'Y',
  });
  const read = fieldsShape.safeParse(answer);
  if (!read.success) throw unreadable();
  const wanted = fieldCode.toLowerCase();
  for (const [key, value] of Object.entries(read.data.fields)) {
    const field = fieldShape.safeParse(value);
    if (!field.success) continue;
    const { type, upperName, isMultiple } = field.data;
    if (key.toLowerCase() !== wanted && upperName?.toLowerCase() !== wanted) continue;
    if (type !== 'file') {
      throw unusable(
        `Поле «${fieldCode}» не файловое. Укажите код поля типа «Файл».`,
        `The field «${fieldCode}» is not a file field. Give the code of a file field.`,
      );
    }
    return { code: upperName ?? key, multiple: isYes(isMultiple) };
  }
  throw unusable(
    `У элемента CRM нет поля «${fieldCode}». Укажите код поля типа «Файл».`,
    `The CRM item has no field «${fieldCode}». Give the code of a file field.`,
  );
}

/** Puts a file into the field; base64 inside JSON is the only way the portal takes it (bitrix24.md F1). */
export async function saveItemFile(target: Target, fieldCode: string, file: StoredFile): Promise<void> {
  if (file.size > MAX_FILE) throw unusableFile(file.name);
  const { rest, memberId, ref } = target;
  const field = await findFileField(target, fieldCode);
  const kept = field.multiple ? await filesOf(target, field.code) : [];
  const content = [file.name, new FileContent(file)];
  await rest.call(memberId, 'crm.item.update', {
    ...getParams(ref.typeId, ref.id),
    fields: { [field.code]: field.multiple ? [...kept.map((id) => ({ id })), content] : content },
  });
}

async function filesOf({ rest, memberId, ref }: Target, code: string): Promise<number[]> {
  const answer = await rest.call(memberId, 'crm.item.get', getParams(ref.typeId, ref.id));
  const read = itemShape.safeParse(answer);
  if (!read.success) throw unreadable();
  const value = read.data.item[code];
  if (value === null || value === undefined || value === '' || value === false) return [];
  const files = keptShape.safeParse(value);
  // Writing without knowing what is there would take it away.
  if (!files.success) throw unreadable();
  return files.data.map(({ id }) => id);
}

function unreadable(): PortalError {
  return new PortalError({ code: 'UNREADABLE', kind: 'server', status: null, retry: true });
}

function unusableFile(name: string): RobotFailure {
  return unusable(
    `Файл «${name}» слишком большой для поля сделки. Возьмите его из карточки Directum.`,
    `The file «${name}» is too large for the field. Take it from the card in Directum.`,
  );
}

function unusable(ru: string, en: string): RobotFailure {
  return new RobotFailure('file_unusable', { ru, en });
}
