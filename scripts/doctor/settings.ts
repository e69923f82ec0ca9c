import { type Config, ConfigError, databasePasswords, parseConfig } from '../../src/config.ts';
import { redact } from '../../src/log.ts';
import { bad, type Check, good } from './finding.ts';

/** Values that let the other checks go on while some settings are wrong; who needs a wrong one is not checked. */
export const STAND_INS: Record<string, string> = {
  PUBLIC_URL: 'http://settings.invalid',
  BITRIX24_CLIENT_ID: 'stand-in-value',
  BITRIX24_CLIENT_SECRET: 'stand-in-value',
  BITRIX24_PORTALS: 'http://settings.invalid',
  DIRECTUM_URL: 'http://settings.invalid/',
  DIRECTUM_LOGIN: 'stand-in-value',
  DIRECTUM_PASSWORD: 'stand-in-value',
};

export function readSettings(env: NodeJS.ProcessEnv): { config: Config; wrong: string[]; check: Check } {
  try {
    const config = parseConfig(env);
    return {
      config,
      wrong: [],
      check: { check: 'settings', ...good('all settings can be used', 'все настройки годятся') },
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const wrong = error.problems.map((problem) => problem.split(':')[0] as string);
    const mended = { ...env };
    for (const name of wrong) {
      delete mended[name];
      if (name in STAND_INS) mended[name] = STAND_INS[name];
    }
    const problems = error.problems.join('; ');
    return {
      config: parseConfig(mended),
      wrong,
      check: { check: 'settings', ...bad(`Mend: ${problems}.`, `Исправьте настройки: ${problems}.`) },
    };
  }
}

/** The last guard: no secret of the settings reaches the output, whoever quoted it. */
export function toHide(config: Config): (text: string) => string {
  const keys = (config.SECRET_KEYS ?? '').split(',').map((entry) => entry.split(':')[1] ?? '');
  const secrets = [
    config.DIRECTUM_PASSWORD,
    config.BITRIX24_CLIENT_SECRET,
    config.OPS_TOKEN ?? '',
    ...databasePasswords(config.DATABASE_URL),
    ...keys,
  ].filter((secret) => secret.length > 3);
  return (text) =>
    secrets.reduce((clean, secret) => clean.replaceAll(secret, '[hidden]'), String(redact(text)));
}
