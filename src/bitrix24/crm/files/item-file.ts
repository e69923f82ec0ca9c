import { z } from 'zod';
import { RobotFailure } from '../../../robot/failure.ts';
import type { OpenFile } from '../../../robot/ports/files.ts';
import type { CrmItem } from '../shapes.ts';
import { type FileOptions, openPortalFile } from './portal-file.ts';

const fileShape = z.looseObject({
  id: z.coerce.number().int().positive(),
  urlMachine: z.string().min(1).max(4_096),
});

/** Opens the file of a field by a fresh `urlMachine`, only at the portal's own address (bitrix24.md F1, F7). */
export async function openItemFile(
  item: CrmItem,
  fieldCode: string,
  options: FileOptions,
): Promise<OpenFile> {
  const value = fieldOf(item, fieldCode);
  if (value === undefined) {
    throw unusable(
      `У элемента CRM нет поля «${fieldCode}». Укажите код поля типа «Файл».`,
      `The CRM item has no field «${fieldCode}». Give the code of a file field.`,
    );
  }
  const first = Array.isArray(value) ? value[0] : value;
  if (first === null || first === undefined || first === '' || first === false) {
    throw unusable(
      `В поле «${fieldCode}» нет файла. Приложите файл и запустите робота снова.`,
      `The field «${fieldCode}» holds no file. Attach one and run the robot again.`,
    );
  }
  const file = fileShape.safeParse(first);
  if (!file.success) {
    throw unusable(
      `Поле «${fieldCode}» не файловое. Укажите код поля типа «Файл».`,
      `The field «${fieldCode}» is not a file field. Give the code of a file field.`,
    );
  }
  const about = {
    text: { ru: `Файл поля «${fieldCode}»`, en: `The file of the field «${fieldCode}»` },
    mend: { ru: 'Приложите файл заново.', en: 'Attach it again.' },
    name: fieldCode,
  };
  return openPortalFile(file.data.urlMachine, about, options);
}

function fieldOf(item: CrmItem, code: string): unknown {
  if (Object.hasOwn(item, code)) return item[code];
  const key = Object.keys(item).find((name) => name.toLowerCase() === code.toLowerCase());
  return key === undefined ? undefined : item[key];
}

function unusable(ru: string, en: string): RobotFailure {
  return new RobotFailure('file_unusable', { ru, en });
}
