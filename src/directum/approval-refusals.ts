import { RobotFailure } from '../robot/failure.ts';
import type { Kind } from './approvals.ts';

/**
 * Refusals that say no rule or process fits. No page knows Directum's words, so these are a hint and no more: whatever
 * they do not recognise is told as `directum_refused` with the same words. Between the lack and what is lacking only
 * words that describe it may stand: "no performer of the process" lacks a performer.
 */
const UNFIT: Readonly<Record<'create' | 'start', readonly RegExp[]>> = {
  // A draft is refused without its required rule (directum.md D.1), in whatever words.
  create: [
    /^(?!.*(?:прав(?!\p{L})|права(?!\p{L})|\brights?\b|permission)).*(?:регламент|approval ?rule|процесс|process)/isu,
  ],
  start: [
    /(?<!\p{L})(?:нет|не найден\p{L}*|не подобран\p{L}*|не настроен\p{L}*|не определ[её]н\p{L}*|отсутству\p{L}*|не удалось (?:подобрать|найти|определить))\s(?:ни\s)?(?:(?:подходящ|соответствующ|действующ|активн|одн|вариант)\p{L}*\s){0,3}(?:регламент|процесс)/iu,
    /(?<!\p{L})(?:регламент|процесс|вариант процесса)\s(?:[\p{L}\p{N}«»"()]+\s){0,5}(?:не найден|не подобран|не подходит|не настроен|не определ[её]н|отсутствует)/iu,
    /["«]регламент["»]|\bapprovalrule\b/iu,
    /\b(?:no|(?:cannot|could not|failed to|unable to) (?:find|select|determine))\s(?:an?\s)?(?:(?:suitable|matching|applicable|active|approval|document|flow|business)\s){0,4}(?:rules?|process(?:es)?)\b/i,
    /\b(?:rule|process)\s(?:(?:variant|for|the|this|document|kind|was|is)\s){0,6}(?:not found|not configured|does not fit)/i,
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
