import type { Directum } from '../sandbox/directum/directum.ts';

export const basic = `Basic ${Buffer.from('bitrix24:secret').toString('base64')}`;

/** Speaks to the stand as the service account does; a header of its own replaces the usual one. */
export function caller(stand: () => Directum) {
  return async (verb: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const sent: Record<string, string> = { authorization: basic, accept: 'application/json', ...headers };
    if (body !== undefined) sent['content-type'] ??= 'application/json';
    const payload = Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body);
    const answer = await fetch(stand().url + path, {
      method: verb,
      headers: sent,
      ...(body === undefined ? {} : { body: payload }),
    });
    const text = await answer.text();
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
    let json: any = null;
    try {
      json = JSON.parse(text);
    } catch {}
    return { status: answer.status, json, text, headers: answer.headers };
  };
}
