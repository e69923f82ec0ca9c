import { type Installation, isLive } from '../src/bitrix24/auth/installation.ts';
import { Refusal } from '../src/command/command.ts';
import type { LocalText } from '../src/robot/failure.ts';

export const NO_INSTALLATION: LocalText = {
  en: 'no installation: install the application on the portal first',
  ru: 'установок нет: сначала установите приложение на портале',
};

export const noInstallationOn = (portal: string): LocalText => ({
  en: `no installation on ${portal}`,
  ru: `нет установки на портале ${portal}`,
});

/** Whether an origin is `HOST[:PORT]` as an operator writes it: case-blind, the usual port named or not. */
export function isAt(origin: string, written: string): boolean {
  const address = `${new URL(origin).protocol}//${written.trim()}`;
  return URL.canParse(address) && new URL(address).origin === origin;
}

/** The portal that `--portal` names, or the only one. @throws Refusal */
export function onePortal(installations: readonly Installation[], written: string | undefined): Installation {
  const live = installations.filter(isLive);
  const [found, other] = live.filter(({ origin }) => written === undefined || isAt(origin, written));
  if (found === undefined)
    throw new Refusal(written === undefined ? NO_INSTALLATION : noInstallationOn(written));
  if (other === undefined || written !== undefined) return found;
  const hosts = live.map(({ origin }) => new URL(origin).host).join(', ');
  throw new Refusal({
    en: `several portals: name one with --portal (${hosts})`,
    ru: `порталов несколько: укажите один через --portal (${hosts})`,
  });
}
