import type { World } from './world.ts';

const GIVE_UP_MS = 10_000;

/** The vendor's queue: one form post, whose answer changes nothing and which nobody repeats. */
export async function deliver(
  world: World,
  what: string,
  url: string,
  form: Record<string, string>,
): Promise<{ status: number; html: string }> {
  const entry = { at: world.now(), url, what, form, status: 0 };
  world.deliveries.push(entry);
  if (world.deliveries.length > 100_000) world.deliveries.splice(0, 50_000);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'Bitrix24 Webhook Engine',
      },
      body: new URLSearchParams(form).toString(),
      redirect: 'manual',
      signal: AbortSignal.any([world.stopping.signal, AbortSignal.timeout(GIVE_UP_MS)]),
    });
    entry.status = response.status;
    return { status: response.status, html: await response.text() };
  } catch {
    return { status: 0, html: '' };
  }
}
