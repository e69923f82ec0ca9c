import { RobotFailure } from '../robot/failure.ts';
import type { Kind } from './approvals.ts';

/** A create refuses a missing rule as its own required property (directum.md D.1); start says that none fits. */
const UNFIT: Readonly<Record<'create' | 'start', readonly RegExp[]>> = {
  create: [/регламент|approval ?rule|процесс|process/i],
  start: [
    /(?<!\p{L})(?:нет|не найден\p{L}*|не подобран\p{L}*|отсутству\p{L}*|no)\s.{0,60}(?:регламент|rule|процесс|process)/iu,
    /(?:не удалось|cannot|could not|failed to)\s(?:подобрать|найти|определить|find|select|determine)\s(?:\p{L}+\s)?(?:регламент|вариант\p{L}* процесса|процесс|rule|process)/iu,
    /(?:регламент\p{L}*|rules?|процесс\p{L}*|process)\s(?:\S+\s){0,5}(?:не найден|не подобран|не подходит|отсутствует|(?:was |is )?not found|does not fit)/iu,
  ],
};
const STABLE = /with ID \(\d+\) not found/i;

/** The installation lacks the function of such an approval. */
export function noFunction(operation: string): RobotFailure {
  return new RobotFailure('approval_unavailable', {
    ru: `В этом Directum нет функции «${operation}», которая запускает такое согласование. Выберите другой тип согласования в роботе или обновите Directum.`,
    en: `This Directum has no function «${operation}» that starts such an approval. Choose another approval type in the robot or update Directum.`,
  });
}

/** A refusal of the creation or the start with Directum's own words and what to mend there. */
export function explained(failure: RobotFailure, kind: Kind, step: 'create' | 'start'): RobotFailure {
  if (failure.code !== 'directum_refused') return failure;
  const words = /«(.+)»/s.exec(failure.text.en)?.[1] ?? '';
  const { cause } = failure;
  if (words === '') return failure;
  if (kind !== 'free' && UNFIT[step].some((unfit) => unfit.test(words)) && !STABLE.test(words)) {
    return new RobotFailure(
      'approval_unavailable',
      kind === 'rule'
        ? {
            ru: `Directum не нашёл регламент для документа: «${words}». Настройте в Directum регламент согласования для вида документа, организации и подразделения.`,
            en: `Directum found no approval rule for the document: «${words}». Set up an approval rule in Directum for its kind, own company and department.`,
          }
        : {
            ru: `Directum не нашёл процесс для документа: «${words}». Настройте в Directum вариант процесса согласования для вида документа.`,
            en: `Directum found no process for the document: «${words}». Set up an approval process variant in Directum for its kind.`,
          },
      { cause },
    );
  }
  return new RobotFailure(
    'directum_refused',
    {
      ru: `Directum не запустил согласование: «${words}». Исправьте в Directum названное (поля карточки, право подписи, права учётной записи пакета) и запустите робота снова.`,
      en: `Directum did not start the approval: «${words}». Mend what it names in Directum (fields of the card, the signing right, rights of the package's account) and run the robot again.`,
    },
    { cause },
  );
}
