import type { World } from './world.ts';

const GIVE_UP_MS = 10_000;

/** One form post, whose answer changes nothing and which nobody repeats: the vendor's queue, unless headers say a browser. */
export async function deliver(
  world: World,
  what: string,
  url: string,
  form: Record<string, string>,
  headers: Record<string, string> = { 'user-agent': 'Bitrix24 Webhook Engine' },
): Promise<{ status: number; html: string; headers: Headers }> {
  const entry = { at: world.now(), url, what, form, status: 0 };
  world.deliveries.push(entry);
  if (world.deliveries.length > 100_000) world.deliveries.splice(0, 50_000);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(form).toString(),
      redirect: 'manual',
      signal: AbortSignal.any([world.stopping.signal, AbortSignal.timeout(GIVE_UP_MS)]),
    });
    entry.status = response.status;
    return { status: response.status, html: await response.text(), headers: response.headers };
  } catch {
    return { status: 0, html: '', headers: new Headers() };
  }
}
