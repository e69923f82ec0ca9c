import { PortalError } from '../../src/bitrix24/portal-error.ts';
import { explain } from '../../src/bitrix24/registration.ts';
import { createLog } from '../../src/log.ts';
import { type LocalText, RobotFailure } from '../../src/robot/failure.ts';

export const LIMIT_MS = 10_000;
/** The embedded server may have to be made first, and half a start helps nobody. */
export const EMBEDDED_LIMIT_MS = 60_000;

export interface Check {
  check: string;
  ok: boolean;
  text: LocalText;
}
export type Finding = Omit<Check, 'check'>;

/** A check that went well, in both languages. */
export const good = (en: string, ru: string): Finding => ({ ok: true, text: { en, ru } });
/** What is wrong and what to do, in both languages. */
export const bad = (en: string, ru: string): Finding => ({ ok: false, text: { en, ru } });

export const now = () => new Date();
/** What the rooms have to say of a failure is said by the checks. */
export const log = createLog('fatal', () => undefined);

class Late extends Error {}

/** @throws Late when `work` takes longer */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One check: whatever it throws is its own finding, and no other's. */
export async function inspect(
  check: string,
  work: () => Promise<Finding>,
  limitMs = LIMIT_MS,
): Promise<Check> {
  try {
    return { check, ...(await within(limitMs, work())) };
  } catch (error) {
    return { check, ok: false, text: toText(error) };
  }
}

function toText(error: unknown): LocalText {
  if (error instanceof RobotFailure) return error.text;
  if (error instanceof PortalError) {
    const { ru, en } = explain(error);
    if (error.kind === 'network' || error.kind === 'server')
      return {
        en: `${en} Check the network between this machine and the portal.`,
        ru: `${ru} Проверьте сеть между этой машиной и порталом.`,
      };
    if (error.kind === 'auth')
      return {
        en: `${en} Let an administrator of the portal open the application's page.`,
        ru: `${ru} Пусть администратор портала откроет страницу приложения.`,
      };
    return { ru, en };
  }
  if (error instanceof Late)
    return {
      en: `${error.message}. Check the network and the other side.`,
      ru: `Нет ответа в отведённое время. Проверьте сеть и другую сторону.`,
    };
  const reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : '';
  return { en: `Failed: ${reason}.`, ru: `Ошибка: ${reason}.` };
}

export const notChecked = (check: string, reason: string): Check => ({
  check,
  ...bad(`Not checked: mend «${reason}» first.`, `Не проверено: сначала исправьте «${reason}».`),
});
