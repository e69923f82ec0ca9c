import { toLanguage } from '../rest/values.ts';

/** Why a page of the installer shows something other than success. */
interface PageFacts {
  language: 'ru' | 'en';
  /** What failed, one sentence each. */
  failures: string[];
  /** Scopes the application was not given. */
  missingScopes: string[];
  /** What is not there although robots are, one sentence each. */
  notes: string[];
  /** The portal says the installation was finished before. */
  finished: boolean;
  /** It was installed already: somebody opens it again. */
  again: boolean;
  directumAway: boolean;
}

/** What the page says of an installed application's health. */
interface Health {
  /** The portal lets it in, and its robots are known to be there. */
  portal: boolean;
  directum: boolean;
}

/** What each scope is for, so that an administrator knows what stays off without it (interface.md §2). */
const SCOPES: Record<string, { ru: string; en: string }> = {
  crm: { ru: 'чтение сделок и реквизитов', en: 'reading deals and requisites' },
  bizproc: { ru: 'роботы', en: 'robots' },
  user: { ru: 'сотрудники портала', en: 'users of the portal' },
  im: { ru: 'уведомления', en: 'notices' },
  task: { ru: 'задачи', en: 'tasks' },
  userfieldconfig: { ru: 'поля Directum в сделке', en: 'Directum fields of the deal' },
};

export const REQUIRED_SCOPES: readonly string[] = Object.keys(SCOPES);

const TEXTS = {
  ru: {
    title: 'Роботы Directum',
    installed: 'Приложение установлено, роботы добавлены. Найдите их на стадиях CRM: «Роботы» → «Другие».',
    withoutRobots: 'Приложение установлено, но без роботов.',
    failed: 'Установка не завершена.',
    scopes: 'Приложению не выданы права (соответствующие возможности выключены):',
    notes: 'Роботы работают, но в сделках не всё будет показано:',
    again: 'Повторить',
    refused: 'Установка отклонена.',
    notInstalled: 'Приложение ещё не установлено.',
    notOpened: 'Страницу не удалось открыть.',
    healthy: 'Приложение установлено и работает. Его роботы — на стадиях CRM: «Роботы» → «Другие».',
    ailing: 'Приложение установлено, но работает не полностью:',
    about:
      'Приложение связывает CRM с Directum RX: роботы на стадиях создают договоры, отправляют их на согласование, ждут подписания и ведут контрагентов. Что с договором, видно в самой сделке.',
    works: 'Приложение установлено и работает.',
    ailingNow:
      'Сейчас приложение работает не полностью, и роботы ждут. Сообщите администратору портала: когда он откроет это приложение, оно скажет, что исправить.',
    directumAway: 'Сейчас Directum не отвечает. Роботы ждут и продолжат сами, когда он ответит.',
    whom: 'Настраивает роботов администратор портала. С вопросами обращайтесь к нему.',
  },
  en: {
    title: 'Directum robots',
    installed:
      'The application is installed and its robots are added. Find them on CRM stages: Automation → Other.',
    withoutRobots: 'The application is installed, but without its robots.',
    failed: 'The installation is not finished.',
    scopes: 'The application was not given these permissions (their features are off):',
    notes: 'Robots work, but deals will not show everything:',
    again: 'Try again',
    refused: 'The installation was refused.',
    notInstalled: 'The application is not installed yet.',
    notOpened: 'The page could not be opened.',
    healthy: 'The application is installed and works. Its robots are on CRM stages: Automation → Other.',
    ailing: 'The application is installed, but not everything works:',
    about:
      'The application connects CRM with Directum RX: robots on stages create contracts, send them to approval, wait for signatures and keep counterparties. How a contract stands is shown in the deal itself.',
    works: 'The application is installed and works.',
    ailingNow:
      'At the moment not everything works, and the robots wait. Tell the administrator of the portal: when they open this application, it says what to mend.',
    directumAway:
      'At the moment Directum does not answer. The robots wait and go on by themselves when it does.',
    whom: 'The administrator of the portal sets the robots up. Turn to them with questions.',
  },
};

/** For a portal that did not answer, or not with what was asked: nothing is known of the token. */
const NO_ANSWER = {
  ru: 'Портал сейчас не отвечает сервису. Откройте приложение ещё раз через несколько минут.',
  en: 'The portal does not answer the service now. Open the application again in a few minutes.',
};
const SILENT = /^(HTTP_\d+|E[A-Z]+|QUERY_LIMIT_EXCEEDED|NETWORK.*|.*TIMEOUT.*|UNREADABLE)$/;

/** Reasons of a refused proof in words (bitrix24.md A4). */
const REASONS: Record<string, { ru: string; en: string }> = {
  database_away: {
    ru: 'База данных сервиса не отвечает. Повторите через несколько минут.',
    en: 'The database of the service does not answer. Try again in a few minutes.',
  },
  portal_not_listed: {
    ru: 'Адрес портала не указан в настройке BITRIX24_PORTALS.',
    en: 'The address of the portal is not in the setting BITRIX24_PORTALS.',
  },
  not_an_administrator: {
    ru: 'Установить его может только администратор портала. Попросите его открыть это приложение.',
    en: 'Only an administrator of the portal may install it. Ask them to open this application.',
  },
  no_such_user: {
    ru: 'Портал не узнал сотрудника. Войдите на портал заново и откройте приложение ещё раз.',
    en: 'The portal does not know the user. Log in to the portal again and open the application once more.',
  },
  another_application: {
    ru: 'Токен выдан другому приложению. Проверьте BITRIX24_CLIENT_ID.',
    en: 'The token belongs to another application. Check BITRIX24_CLIENT_ID.',
  },
  another_portal: {
    ru: 'Токен выдан другим порталом. Откройте приложение на том портале, где его устанавливают.',
    en: 'The token belongs to another portal. Open the application on the portal it is installed on.',
  },
  not_an_application: {
    ru: 'Токен не принадлежит приложению. Откройте установку из карточки локального приложения.',
    en: 'The token does not belong to an application. Open the installation from the card of the local application.',
  },
  portal_moved: {
    ru: 'Портал переехал на другой адрес. Откройте приложение по новому адресу портала.',
    en: 'The portal has moved to another address. Open the application at the new address of the portal.',
  },
  too_many_tries: {
    ru: 'Слишком много попыток установки. Повторите через минуту.',
    en: 'Too many attempts to install. Try again in a minute.',
  },
  no_refresh_token: {
    ru: 'Портал не передал токен обновления. Откройте приложение на портале ещё раз.',
    en: 'The portal sent no refresh token. Open the application on the portal again.',
  },
  unreadable: {
    ru: 'Страницу открыл не портал. Откройте приложение на портале, из его карточки.',
    en: 'This page was not opened by a portal. Open the application on the portal, from its card.',
  },
  oauth_server_not_listed: {
    ru: 'Сервер авторизации портала не указан в настройке BITRIX24_OAUTH_SERVERS.',
    en: 'The OAuth server of the portal is not in the setting BITRIX24_OAUTH_SERVERS.',
  },
};

/** The page that ends the installation in the portal's frame, or says what failed (bitrix24.md A1). */
export function renderInstallPage(facts: PageFacts): string {
  const texts = TEXTS[facts.language];
  const blocks: string[] = [];
  const whole = facts.again && !facts.directumAway ? texts.healthy : texts.installed;
  const installed = facts.missingScopes.includes('bizproc') ? texts.withoutRobots : whole;
  if (facts.failures.length === 0) blocks.push(`<p>${installed}</p>`);
  else {
    blocks.push(`<p>${facts.again ? texts.ailing : texts.failed}</p>${list(facts.failures)}`);
    blocks.push(`<p><button onclick="location.reload()">${texts.again}</button></p>`);
  }
  if (facts.again && facts.directumAway) blocks.push(`<p>${texts.directumAway}</p>`);
  if (facts.missingScopes.length > 0) {
    const named = facts.missingScopes.map((scope) => {
      const what = SCOPES[scope]?.[facts.language];
      return what === undefined ? scope : `${scope} — ${what}`;
    });
    blocks.push(`<p>${texts.scopes}</p>${list(named)}`);
  }
  if (facts.notes.length > 0) blocks.push(`<p>${texts.notes}</p>${list(facts.notes)}`);
  // installFinish works once and only in the installer; a finished one has nothing to end.
  const script =
    facts.failures.length > 0 || facts.finished
      ? ''
      : '<script src="https://api.bitrix24.com/api/v1/"></script>' +
        '<script>BX24.init(function () { BX24.installFinish(); });</script>';
  return page(facts.language, blocks.join(''), script);
}

/** The page of an installed application for people who are no administrators: what it is, whether it works, whom to ask. */
export function renderCalmPage(language: 'ru' | 'en', health: Health): string {
  const texts = TEXTS[language];
  const works = health.directum ? texts.works : texts.directumAway;
  const lines = [texts.about, health.portal ? works : texts.ailingNow, texts.whom];
  return page(language, lines.map((line) => `<p>${line}</p>`).join(''), '');
}

/** The page for people who could not be let in; `isInstalled`: on a portal that has the application. */
export function renderRefusal(language: 'ru' | 'en', reason: string, isInstalled = false): string {
  const texts = TEXTS[language];
  const isNoInstallation = isInstalled || reason === 'database_away' || reason === 'unreadable';
  const headings = reason === 'not_an_administrator' ? texts.notInstalled : texts.refused;
  const heading = isNoInstallation ? texts.notOpened : headings;
  const unconfirmed = {
    ru: `Портал не подтвердил токен (${reason}). Откройте приложение ещё раз.`,
    en: `The portal did not confirm the token (${reason}). Open the application again.`,
  };
  const why = REASONS[reason] ?? (SILENT.test(reason) ? NO_ANSWER : unconfirmed);
  return page(language, `<p>${heading}</p>${list([why[language]])}`, '');
}

function list(lines: readonly string[]): string {
  return `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`;
}

function page(language: 'ru' | 'en', body: string, script: string): string {
  const { title } = TEXTS[language];
  return (
    `<!doctype html><html lang="${language}"><head><meta charset="utf-8"><title>${title}</title>` +
    `<style>body{font:15px/1.5 sans-serif;margin:2em}</style></head>` +
    `<body><h1>${title}</h1>${body}${script}</body></html>`
  );
}

function escapeHtml(text: string): string {
  const marks: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (mark) => marks[mark] ?? mark);
}

/** The page while the database is away: what it is given cannot be kept. */
export function renderDatabaseAway(query: Record<string, unknown>): string {
  return renderRefusal(toLanguage(String(query['LANG'] ?? 'en')), 'database_away');
}
