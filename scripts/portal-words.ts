import { explain } from '../src/bitrix24/registration/registration.ts';
import { PortalError } from '../src/bitrix24/rest/portal-error.ts';
import { toCause } from '../src/command/cause.ts';
import { tell } from '../src/command/trouble.ts';
import type { Config } from '../src/config.ts';
import type { LocalText } from '../src/robot/failure.ts';

/** Why a portal did not do what it was asked, and what to do, for whoever runs the package. */
export function explainPortal(error: unknown, config: Config): LocalText {
  if (!(error instanceof PortalError)) return tell(error, config);
  const { code, kind } = error;
  const answer = explain(error);
  if (kind === 'network') {
    const reason = toCause(Object.assign(new Error(), { code }))?.text ?? NO_ANSWER;
    const proxy = URL.parse(config.OUTBOUND_PROXY ?? '')?.host;
    if (proxy !== undefined)
      return {
        en: `OUTBOUND_PROXY: the portal cannot be reached through ${proxy}: ${reason.en} (${code}). Check that the proxy runs and reaches the portal.`,
        ru: `OUTBOUND_PROXY: портал недоступен через ${proxy}: ${reason.ru} (${code}). Проверьте, что прокси работает и видит портал.`,
      };
    return {
      en: `The portal cannot be reached: ${reason.en} (${code}). Check the network between this machine and the portal.`,
      ru: `Портал недоступен: ${reason.ru} (${code}). Проверьте сеть между этой машиной и порталом.`,
    };
  }
  if (code === 'PAUSED') return PAUSED;
  if (kind === 'server')
    return {
      en: `${answer.en} Check the network between this machine and the portal.`,
      ru: `${answer.ru} Проверьте сеть между этой машиной и порталом.`,
    };
  if (kind === 'auth')
    return {
      en: `${answer.en} Let an administrator of the portal open the application's page.`,
      ru: `${answer.ru} Пусть администратор портала откроет страницу приложения.`,
    };
  return answer;
}

const NO_ANSWER = { en: 'no answer came', ru: 'ответа нет' };

/** Of a portal that no longer accepts our tokens. */
export const PAUSED = {
  en: 'The portal no longer accepts our tokens. Let an administrator open the application’s page.',
  ru: 'Портал больше не принимает наши токены. Пусть администратор откроет страницу приложения.',
};
