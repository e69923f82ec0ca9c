import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import { RobotFailure } from '../../src/robot/failure.ts';
import { openRooms } from '../../src/rooms.ts';
import { createSecretKeys, loadSecretKeys } from '../../src/store/secrets.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import {
  bad,
  type Check,
  EMBEDDED_LIMIT_MS,
  type Finding,
  good,
  inspect,
  LIMIT_MS,
  log,
  notChecked,
  now,
  within,
} from './finding.ts';
import { trySealed } from './sealed.ts';

export type Rooms = Awaited<ReturnType<typeof openRooms>>;

async function isUp(url: string): Promise<{ up: boolean; reason: string }> {
  try {
    const response = await fetch(`${url}/healthz`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMIT_MS - 1_000),
    });
    const body = (await response.text()).slice(0, 100).trim();
    return { up: response.status === 200 && body === 'ok', reason: `code ${response.status}` };
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined;
    return { up: false, reason: String(cause?.code ?? (error as Error).name) };
  }
}

/** Asked from this machine, as a portal would ask; the local port tells a stopped service from a proxy's fault. */
export async function checkPublicUrl(config: Config): Promise<Finding> {
  const host = ['0.0.0.0', '::'].includes(config.HOST) ? '127.0.0.1' : config.HOST;
  const local = `http://${host.includes(':') ? `[${host}]` : host}:${config.PORT}`;
  const [outside, inside] = await Promise.all([isUp(config.PUBLIC_URL), isUp(local)]);
  if (outside.up) return good(`${config.PUBLIC_URL} answers`, `${config.PUBLIC_URL} отвечает`);
  const answer = `${config.PUBLIC_URL}/healthz: ${outside.reason}.`;
  return inside.up
    ? bad(
        `${answer} The service runs on this machine: check DNS, the proxy and its certificate.`,
        `${answer} Служба на этой машине работает: проверьте DNS, прокси и его сертификат.`,
      )
    : bad(
        `${answer} Start the service: npm start. If it runs elsewhere, check DNS, the proxy and its certificate.`,
        `${answer} Запустите службу: npm start. Если она работает на другой машине, проверьте DNS, прокси и его сертификат.`,
      );
}

export type Opened = {
  checks: Check[];
  rooms: Rooms | null;
  blockedBy: string;
  close(): Promise<void>;
};

/** A refusal that is older may have been mended since. */
const REFUSED_HOURS = 24;

/** Whether the account may make contracts cannot be asked without making one, so the latest run that shows it tells. */
async function checkContracts({ pool }: Store): Promise<Finding> {
  const { rows } = await pool.query<{ ending: string; ended_at: Date }>(
    `SELECT ending, ended_at FROM run WHERE robot = 'directum_create_contract'
       AND ((ending = 'directum_access_denied' AND ended_at > $1) OR outcome->>'created' = 'Y')
     ORDER BY ended_at DESC LIMIT 1`,
    [new Date(now().getTime() - REFUSED_HOURS * 3_600_000)],
  );
  const [last] = rows;
  if (last === undefined)
    return good(
      'none made yet: the first one shows whether the account has the rights to create them',
      'ещё не создавались: первый покажет, есть ли у учётной записи права на создание',
    );
  const at = last.ended_at.toISOString();
  return last.ending === 'directum_access_denied'
    ? bad(
        `The last one was refused for want of rights at ${at}. Directum administrator: give the account the rights to create contracts and counterparties.`,
        `В последнем отказано из-за прав (${at}). Администратору Directum: дайте учётной записи права на создание договоров и контрагентов.`,
      )
    : good(`the account made one at ${at}`, `учётная запись создала договор ${at}`);
}

/** Database, then keys, then what both are needed for. */
export async function openAll(config: Config, wrong: string[]): Promise<Opened> {
  const checks: Check[] = [];
  const blocked = (blockedBy: string, close = async () => {}): Opened => ({
    checks,
    rooms: null,
    blockedBy,
    close,
  });
  if (wrong.some((name) => ['DATABASE_URL', 'DATA_DIR', 'SECRET_KEYS'].includes(name))) {
    checks.push(notChecked('database', 'settings'), notChecked('keys', 'settings'));
    return blocked('settings');
  }
  const options = { databaseUrl: config.DATABASE_URL, dataDir: config.DATA_DIR, log, now };
  // Asked before anything else could make the file.
  const keysAreThere =
    config.SECRET_KEYS !== undefined ||
    (await access(join(config.DATA_DIR, 'keys')).then(
      () => true,
      (error) => error.code !== 'ENOENT',
    ));
  // Nothing is read with these: whether the database answers does not depend on the keys.
  const anyKeys = createSecretKeys(new Map([['none', randomBytes(32)]]));
  const opening = openStore({ ...options, keys: anyKeys });
  const close = () =>
    opening.then(
      (store) => store.close(),
      () => undefined,
    );
  const database = await inspect(
    'database',
    async () => {
      const store = await opening.catch((error) => {
        const { message, code } = error as Error & { code?: string };
        const where = config.DATABASE_URL ? 'DATABASE_URL' : 'DATA_DIR';
        throw new RobotFailure('internal_error', {
          en: `The database cannot be used: ${message || code}. Check ${where} and that PostgreSQL may be started and reached.`,
          ru: `База данных недоступна: ${message || code}. Проверьте ${where}, запуск и доступность PostgreSQL.`,
        });
      });
      const { rows } = await store.pool.query('SELECT count(*)::int AS count FROM schema_migration');
      const where = config.DATABASE_URL ? 'PostgreSQL' : `embedded PostgreSQL in ${config.DATA_DIR}`;
      return good(
        `${where} answers, ${rows[0].count} migrations are done`,
        `${where} отвечает, выполнено миграций: ${rows[0].count}`,
      );
    },
    config.DATABASE_URL ? LIMIT_MS : EMBEDDED_LIMIT_MS,
  );
  checks.push(database);
  if (!database.ok) {
    checks.push(notChecked('keys', 'database'));
    return blocked('database', close);
  }

  const store = await opening;
  const keys = await inspect('keys', async () => {
    const { rows } = await store.pool.query('SELECT count(*)::int AS count FROM keyv');
    if (!keysAreThere)
      return rows[0].count === 0
        ? good(
            'no keys yet: the service makes them when they are first needed',
            'ключей ещё нет: служба создаст их сама',
          )
        : bad(
            `The file keys is missing in ${config.DATA_DIR}, but the database holds sealed values. Restore the file or SECRET_KEYS from the backup.`,
            `В ${config.DATA_DIR} нет файла keys, а в базе есть зашифрованные значения. Восстановите файл или SECRET_KEYS из резервной копии.`,
          );
    try {
      const real = await loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
      const { count, closed } = await trySealed(store.pool, real);
      if (closed.length > 0)
        throw new Error(
          `${[...new Set(closed.map(({ reason }) => reason))].join('; ')} (${closed.map((one) => `${one.name}: ${one.count}`).join(', ')})`,
        );
      return good(`${count} sealed values open`, `зашифрованных значений прочитано: ${count}`);
    } catch (error) {
      const { message } = error as Error;
      return bad(
        `Stored values cannot be opened: ${message}. Give the earlier keys in SECRET_KEYS or restore DATA_DIR/keys.`,
        `Сохранённые значения не открываются: ${message}. Верните прежние ключи в SECRET_KEYS или файл DATA_DIR/keys.`,
      );
    }
  });
  checks.push(keys);
  if (!keys.ok) return blocked('keys', close);
  checks.push(await inspect('contracts', () => checkContracts(store)));
  try {
    const rooms = await within(EMBEDDED_LIMIT_MS, openRooms(config, { log, now }));
    const closeBoth = async () => {
      await rooms.close();
      await close();
    };
    return { checks, rooms, blockedBy: '', close: closeBoth };
  } catch {
    return blocked('database', close);
  }
}
