import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './refusal.ts';

/** Four ways in (contract A.3); Kerberos is not played. */
export class Auth {
  private readonly tokens = new Map<string, number>();
  login: string;
  password: string;
  private readonly now: () => Date;
  private readonly lifetimeMs: number;

  constructor(login: string, password: string, now: () => Date, lifetimeMs: number) {
    this.login = login;
    this.password = password;
    this.now = now;
    this.lifetimeMs = lifetimeMs;
  }

  private byPassword(headers: IncomingHttpHeaders): boolean {
    const basic = /^Basic\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (basic) return Buffer.from(basic, 'base64').toString('utf8') === `${this.login}:${this.password}`;
    return headers['username'] === this.login && headers['password'] === this.password;
  }

  check(headers: IncomingHttpHeaders): void {
    const token = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (token ? (this.tokens.get(token) ?? 0) > this.now().getTime() : this.byPassword(headers)) return;
    throw new Refusal(401, 'Не удалось аутентифицировать пользователя.');
  }

  /** A token cannot fetch its own successor. */
  token(headers: IncomingHttpHeaders): string {
    if (!this.byPassword(headers)) throw new Refusal(401, 'Не удалось аутентифицировать пользователя.');
    const token = `${randomBytes(24).toString('base64url')}.${randomBytes(24).toString('base64url')}`;
    this.tokens.set(token, this.now().getTime() + this.lifetimeMs);
    return token;
  }
}
