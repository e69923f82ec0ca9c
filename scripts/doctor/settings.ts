import type { Config } from '../../src/config.ts';
import { databasePasswords } from '../../src/lib/database-url.ts';
import { redact } from '../../src/log.ts';
import { isShort, LEAST_PASSPHRASE } from '../backup-passphrase.ts';
import { bad, type Check, good } from './finding.ts';

/** What is known before anything is opened or asked. */
export interface OfSettings {
  config: Config;
  env: Readonly<Record<string, string | undefined>>;
}

export const settings: Check<OfSettings> = {
  check: 'settings',
  ru: 'настройки',
  // Others stop every command before it begins.
  find: () => good('all settings can be used', 'все настройки годятся'),
};

export const backupPassphrase: Check<OfSettings> = {
  check: 'backup passphrase',
  ru: 'парольная фраза',
  find({ env }) {
    const passphrase = env['BACKUP_PASSPHRASE'];
    if (!passphrase?.trim())
      return good(
        'BACKUP_PASSPHRASE is not set: npm run backup asks for it',
        'BACKUP_PASSPHRASE не задана: она нужна для npm run backup',
      );
    return isShort(passphrase)
      ? bad(
          `BACKUP_PASSPHRASE is shorter than ${LEAST_PASSPHRASE} characters, so npm run backup refuses it. Choose a longer one; earlier backups keep theirs.`,
          `BACKUP_PASSPHRASE короче ${LEAST_PASSPHRASE} знаков, npm run backup её не примет. Выберите длиннее; у прежних копий остаётся своя.`,
        )
      : good('long enough', 'достаточной длины');
  },
};

/** Who sets these expects them to be obeyed; the portal is then asked another way than he thinks. */
export const proxies: Check<OfSettings> = {
  check: 'proxy',
  ru: 'прокси',
  find({ config: { ignoredProxies, OUTBOUND_PROXY } }) {
    const names = ignoredProxies.join(', ');
    if (names !== '')
      return bad(
        `${names} is set, and the service does not obey it. Give the proxy for the portal in OUTBOUND_PROXY, or take ${names} away from this service.`,
        `Задано ${names}, но сервис этого не учитывает. Укажите прокси для портала в OUTBOUND_PROXY или уберите ${names} из окружения сервиса.`,
      );
    return OUTBOUND_PROXY === undefined
      ? good('the portal is asked directly', 'запросы к порталу идут напрямую')
      : good('the portal is asked through OUTBOUND_PROXY', 'запросы к порталу идут через OUTBOUND_PROXY');
  },
};

/** The last guard: no secret of the settings reaches the output, whoever quoted it. */
export function toHide(config: Config): (text: string) => string {
  const keys = (config.SECRET_KEYS ?? '').split(',').map((entry) => entry.split(':')[1] ?? '');
  const secrets = [
    config.DIRECTUM_PASSWORD,
    config.BITRIX24_CLIENT_SECRET,
    config.OPS_TOKEN ?? '',
    ...databasePasswords(config.DATABASE_URL),
    decodeURIComponent(URL.parse(config.OUTBOUND_PROXY ?? '')?.password ?? ''),
    ...keys,
  ].filter((secret) => secret.length > 3);
  return (text) =>
    secrets.reduce((clean, secret) => clean.replaceAll(secret, '[hidden]'), String(redact(text)));
}
