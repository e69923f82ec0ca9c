import { type LocalText, RobotFailure } from '../../../robot/failure.ts';
import type { Log } from '../../../robot/ports/log.ts';
import { PortalError, toRobotFailure } from '../../rest/portal-error.ts';

/** Most refusals have no code but a text (F7a). */
const NO_TEMPLATE = /template not found|deleted template|шаблон не найден|удал[её]нн\p{Ll}+ шаблон/iu;
const WRONG_TYPE = /no provider for entitytypeid/i;
const IS_OFF = /module \S+ is not|модуль \S+ не установлен/iu;
const NO_RIGHT = /do not have permissions|access denied|нет прав|недостаточно прав|доступ запрещ[её]н/iu;
const NO_GENERATOR = new Set([
  'ERROR_METHOD_NOT_FOUND',
  'ERROR_MANIFEST_IS_NOT_AVAILABLE',
  'DOCGEN_LIMIT_ERROR',
]);

/** A refusal of the generator (bitrix24.md F7a) in words that name the robot's field, `label`; any other error as it is. */
export function toGeneratorFailure(error: unknown, label: LocalText, log: Log): unknown {
  if (!(error instanceof PortalError)) return error;
  const { code, description, kind } = error;
  const isAnswer = kind === 'refused' || kind === 'access' || kind === 'gone';
  if (!isAnswer) return toRobotFailure(error, log);
  log.warn('portal.refused', { code, status: error.status, kind });
  const told = (failed: 'portal_access_denied' | 'reference_not_found' | 'input_invalid', text: LocalText) =>
    new RobotFailure(
      failed,
      { ru: `«${label.ru}»: ${text.ru}`, en: `«${label.en}»: ${text.en}` },
      { cause: error },
    );
  if (NO_GENERATOR.has(code) || IS_OFF.test(description))
    return told('portal_access_denied', {
      ru: 'портал не делает документов: генератор выключен, или тариф не даёт больше. Проверьте тариф портала или укажите шаблон Directum.',
      en: 'the portal makes no documents: its generator is off, or the plan allows no more. Check the plan of the portal or name a template of Directum.',
    });
  if (NO_TEMPLATE.test(description))
    return told('reference_not_found', {
      ru: 'шаблон удалён с портала. Выберите другой в настройке робота.',
      en: 'the template is deleted from the portal. Choose another in the robot settings.',
    });
  if (WRONG_TYPE.test(description))
    return told('input_invalid', {
      ru: 'шаблон сделан не для таких элементов CRM. Выберите другой в настройке робота.',
      en: 'the template is not made for such CRM items. Choose another in the robot settings.',
    });
  if (kind === 'access' || code === 'DOCGEN_ACCESS_ERROR' || NO_RIGHT.test(description))
    return told('portal_access_denied', {
      ru: 'портал не дал сделать документ по этому шаблону. Дайте доступ к шаблону сотруднику, от которого работает робот.',
      en: 'the portal did not allow a document by this template. Give access to the template to the person as whom the robot works.',
    });
  return toRobotFailure(new PortalError({ code, status: error.status, kind: 'server', retry: true }), log);
}
