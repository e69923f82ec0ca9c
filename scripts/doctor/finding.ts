import { PortalError } from '../../src/bitrix24/rest/portal-error.ts';
import { toCause } from '../../src/command/cause.ts';
import { tell } from '../../src/command/trouble.ts';
import type { Config } from '../../src/config.ts';
import { LateError, within } from '../../src/lib/work/timeout.ts';
import { createLog } from '../../src/log.ts';
import { type LocalText, RobotFailure } from '../../src/robot/failure.ts';
import { explainPortal } from '../portal-words.ts';

export const LIMIT_MS = 10_000;
/** The embedded server may have to be started first, and half a start helps nobody. */
export const EMBEDDED_LIMIT_MS = 60_000;

export interface Finding {
  ok: boolean;
  text: LocalText;
}
/** A finding under the name of its check: a stable one for programs, and one for people. */
export interface Line extends Finding {
  check: string;
  title: LocalText;
}

/** One check: its stable name, its name in Russian, and what it finds. Whatever it throws becomes its finding. */
export interface Check<Of> {
  check: string;
  ru: string;
  find(of: Of): Finding | Promise<Finding>;
}

/** A check that went well, in both languages. */
export const good = (en: string, ru: string): Finding => ({ ok: true, text: { en, ru } });
/** What is wrong and what to do, in both languages. */
export const bad = (en: string, ru: string): Finding => ({ ok: false, text: { en, ru } });

export const now = () => new Date();
/** What the parts have to say of a failure is said by the checks. */
export const log = createLog('fatal', () => undefined);

/** Makes one check: whatever it throws is its own finding, and no other's. */
export async function inspect<Of>(
  { check, ru, find }: Check<Of>,
  of: Of,
  config: Config,
  limitMs = LIMIT_MS,
): Promise<Line> {
  const name = { check, title: { en: check, ru } };
  try {
    return { ...name, ...(await within(limitMs, Promise.resolve(of).then(find))) };
  } catch (error) {
    return { ...name, ok: false, text: toText(error, config) };
  }
}

/** A check that makes no sense before the one named was mended. */
export function notChecked({ check, ru }: Pick<Check<never>, 'check' | 'ru'>, reason: LocalText): Line {
  const text = {
    en: `Not checked: mend «${reason.en}» first.`,
    ru: `Не проверено: сначала исправьте «${reason.ru}».`,
  };
  return { check, title: { en: check, ru }, ok: false, text };
}

function toText(error: unknown, config: Config): LocalText {
  if (error instanceof LateError)
    return {
      en: `${error.message}. Check the network and the other side.`,
      ru: `Нет ответа в отведённое время. Проверьте сеть и сервер, который должен был ответить.`,
    };
  if (error instanceof PortalError) return explainPortal(error, config);
  if (error instanceof RobotFailure) return ofDirectum(error, config) ?? error.text;
  return tell(error, config);
}

/** Why Directum did not answer, by the cause beneath: robots do not say it to the users of a portal. */
export function ofDirectum(error: unknown, config: Config): LocalText | null {
  const cause = toCause(error);
  if (cause === null) return null;
  const { hostname, port, protocol } = new URL(config.DIRECTUM_URL);
  const at = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  const { code, text } = cause;
  return cause.tls
    ? {
        en: `DIRECTUM_CA_FILE: the certificate of ${at} is not accepted: ${text.en} (${code}). Name the PEM file of the authority that issued it.`,
        ru: `DIRECTUM_CA_FILE: сертификат ${at} не принят: ${text.ru} (${code}). Укажите файл PEM центра, который его выдал.`,
      }
    : {
        en: `DIRECTUM_URL: Directum does not answer at ${at}: ${text.en} (${code}). Check the address, the network and Directum's integration service.`,
        ru: `DIRECTUM_URL: Directum не отвечает по адресу ${at}: ${text.ru} (${code}). Проверьте адрес, сеть и службу интеграции Directum.`,
      };
}
