import { RobotFailure } from '../../robot/failure.ts';
import { DirectumAnswer } from '../http/errors.ts';
import type { ApprovalKind } from './approval-tasks.ts';

/**
 * Directum's own words, without customers' data, for "no approval rule or process fits". They are not documented, so they
 * only improve the text: a refusal they do not recognise is reported as `directum_refused` with what Directum said.
 * Between "not found" and "rule" only words that describe the rule may stand: "no performer of the process" lacks a
 * performer, not a process.
 */
const NOTHING_FITS: readonly RegExp[] = [
  /(?<!\p{L})(?:нет|не найден\p{L}*|не подобран\p{L}*|не настроен\p{L}*|не определ[её]н\p{L}*|отсутству\p{L}*|не удалось (?:подобрать|найти|определить))\s(?:ни\s)?(?:(?:подходящ|соответствующ|действующ|активн|одн|вариант)\p{L}*\s){0,3}(?:регламент|процесс)/iu,
  /(?<!\p{L})(?:регламент|процесс|вариант процесса)\s(?:[\p{L}\p{N}()…]+\s){0,5}(?:не найден|не подобран|не подходит|не настроен|не определ[её]н|отсутствует)/iu,
  /(?:свойств|пол|реквизит)\p{Ll}*\s«регламент»|\bapprovalrule\b/iu,
  /\b(?:no|(?:cannot|could not|failed to|unable to) (?:find|select|determine))\s(?:an?\s)?(?:(?:suitable|matching|applicable|active|approval|document|flow|business)\s){0,4}(?:rules?|process(?:es)?)\b/i,
  /\b(?:rule|process)\s(?:(?:variant|for|the|this|document|kind|was|is)\s){0,6}(?:not found|not configured|does not fit)/i,
];
/** A draft is refused without its required rule (directum.md D.1). */
const RULE_NOT_FILLED: readonly RegExp[] = [
  /(?<!\p{L})(?:укажите|выберите|заполните|требуется|необходим\p{Ll}?|нужен|не заполнен\p{Ll}?|не указан\p{Ll}?|не выбран\p{Ll}?)\s(?:(?:поле|свойство|подходящ\p{Ll}+|действующ\p{Ll}+)\s){0,2}(?:регламент|вариант процесса|процесс)(?!\p{L})/iu,
  /(?<!\p{L})(?:регламент|вариант процесса|процесс)\s(?:согласования\s)?(?:не указан|не заполнен|не выбран|обязателен)(?!\p{L})/iu,
  /\bapproval rule\s(?:is\s|was\s)?(?:required|missing|empty|not (?:set|given|specified|selected))\b/i,
];
/** A record with a wrong id, whatever else the text says. */
const WRONG_ID = /with ID \(\d+\) not found/i;

/** The installation lacks the function of such an approval. */
export function noFunction(operation: string): RobotFailure {
  return new RobotFailure('approval_unavailable', {
    ru: `В этом Directum нет функции «${operation}», которая запускает такое согласование. Выберите другой тип согласования в роботе или обновите Directum.`,
    en: `This Directum has no function «${operation}» that starts such an approval. Choose another approval type in the robot or update Directum.`,
  });
}

/** What a refused creation or start of an approval means, with Directum's own words and what to correct there. */
export function toApprovalFailure(
  failure: RobotFailure,
  kind: ApprovalKind,
  step: 'create' | 'start',
): RobotFailure {
  const { cause } = failure;
  if (failure.code !== 'directum_refused' || !(cause instanceof DirectumAnswer)) return failure;
  const said = cause.quoted;
  if (said === null) return failure;
  const phrases = step === 'create' ? [...NOTHING_FITS, ...RULE_NOT_FILLED] : NOTHING_FITS;
  const nothingFits = phrases.some((phrase) => phrase.test(cause.words)) && !WRONG_ID.test(cause.words);
  if (kind !== 'free' && nothingFits) {
    return new RobotFailure(
      'approval_unavailable',
      kind === 'rule'
        ? {
            ru: `Directum не нашёл регламент для документа: «${said}». Настройте в Directum регламент согласования для вида документа, организации и подразделения.`,
            en: `Directum found no approval rule for the document: «${said}». Set up an approval rule in Directum for its kind, own company and department.`,
          }
        : {
            ru: `Directum не нашёл процесс для документа: «${said}». Настройте в Directum вариант процесса согласования для вида документа.`,
            en: `Directum found no process for the document: «${said}». Set up an approval process variant in Directum for its kind.`,
          },
      { cause },
    );
  }
  return new RobotFailure(
    'directum_refused',
    {
      ru: `Directum не запустил согласование: «${said}». Исправьте в Directum названное (поля карточки, право подписи, права учётной записи сервиса) и запустите робота снова.`,
      en: `Directum did not start the approval: «${said}». Mend what it names in Directum (fields of the card, the signing right, rights of the service's account) and run the robot again.`,
    },
    { cause },
  );
}
