import { RobotFailure } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import { PortalError } from './portal-error.ts';

/** A refusal of the portal in the words of a robot's user (interface.md, Error codes). */
export function toRobotFailure(error: unknown, log: Log): unknown {
  if (error instanceof RobotFailure || !(error instanceof PortalError)) return error;
  log.warn('portal.refused', { code: error.code, status: error.status, kind: error.kind });
  if (error.kind === 'gone') {
    return new RobotFailure(
      'item_not_found',
      {
        ru: 'Элемент CRM не найден: он удалён или недоступен приложению. Запустите робота на существующем элементе.',
        en: 'The CRM item was not found: it is deleted or hidden from the application. Run the robot on an existing item.',
      },
      { cause: error },
    );
  }
  if (error.kind === 'access' && !error.retry) return denied(error);
  return unavailable(error);
}

/**
 * Why the portal could not vouch for a call yet: it lets nothing through (`isDenied`), or is as good as away. Either may
 * pass, so the run is tried again up to its limit (interface.md §2).
 */
export function unproven(error: PortalError | null, isDenied: boolean, log: Log): RobotFailure {
  log.warn('call.not_proven', { code: error?.code, kind: error?.kind, description: error?.description });
  return isDenied ? denied(error, true) : unavailable(error);
}

function denied(cause: PortalError | null, heals = false): RobotFailure {
  const code = cause?.code;
  return new RobotFailure(
    'portal_access_denied',
    {
      ru: `Портал не дал приложению прочитать данные CRM (${code || 'доступ запрещён'}). Проверьте тариф портала, права приложения и сотрудника, который его установил.`,
      en: `The portal did not let the application read CRM data (${code || 'access denied'}). Check the plan of the portal and the permissions of the application and of the person who installed it.`,
    },
    { cause, heals },
  );
}

function unavailable(cause: PortalError | null): RobotFailure {
  const code = cause?.code;
  return new RobotFailure(
    'portal_unavailable',
    {
      ru: `Не удалось прочитать данные CRM (${code || 'ошибка портала'}). Повторите позже или проверьте установку приложения.`,
      en: `CRM data could not be read (${code || 'an error of the portal'}). Try again later or check the installation of the application.`,
    },
    { cause },
  );
}
