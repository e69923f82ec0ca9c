import { Buffer } from 'node:buffer';
import { afterEach, expect, it, vi } from 'vitest';
import { startProxy } from '../sandbox/proxy.ts';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const stop of stops.splice(0).reverse()) await stop();
});
async function begin(settings: (proxy: { port: number }) => Record<string, string>) {
  const proxy = await startProxy();
  stops.push(() => proxy.close());
  const stand = await startStand({ settings: settings(proxy) });
  stops.push(() => stand.stop());
  return { proxy, stand };
}
/** Everything that the portal is asked in the life of a contract: reading, a file, answers, a renewed token. */
async function work(stand: Stand): Promise<void> {
  const { deal } = addDeal(stand);
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_PAPER', 'file');
  stand.portal.addFile(2, deal, 'UF_CRM_PAPER', 'договор.docx', Buffer.from('x'.repeat(1_000)));
  stand.portal.misbehave.withoutTokens = true;
  stand.portal.misbehave.expireAccessTokens();
  const outputs = await runStep(stand, deal, 'directum_create_contract', {
    subject: 'Через прокси',
    file_field: 'UF_CRM_PAPER',
  });
  expect(outputs).toMatchObject({ ok: 'Y', error_text: '' });
}

it('the portal and its OAuth server are asked through OUTBOUND_PROXY, Directum never is', async () => {
  const { proxy, stand } = await begin(({ port }) => ({
    OUTBOUND_PROXY: `http://user:canary-proxy-password@127.0.0.1:${port}`,
  }));
  await work(stand);
  const paths = proxy.asked.map(({ what }) => what.replace(stand.portal.url, ''));
  expect(paths.every((path) => /^(GET|POST) \/(rest|oauth)\//.test(path))).toBe(true);
  expect(paths).toEqual(
    expect.arrayContaining([
      'POST /oauth/token/',
      'POST /rest/batch',
      expect.stringMatching(/^GET \/rest\/download/),
    ]),
  );
  const basic = `Basic ${Buffer.from('user:canary-proxy-password').toString('base64')}`;
  expect(new Set(proxy.asked.map(({ authorization }) => authorization))).toEqual(new Set([basic]));
  // Nothing went past it.
  const asked = () => proxy.asked.filter(({ what }) => !what.includes('download')).length;
  const heard = () => stand.portal.journal.filter(({ viaBatch }) => !viaBatch).length;
  await expect.poll(() => [asked() - heard(), heard() > 3]).toEqual([0, true]);
  expect(stand.lines.join('')).not.toContain('canary-proxy-password');
}, 60_000);

it.each(['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy'])(
  '%s counts for nothing, and the start says so',
  async (name) => {
    const proxy = await startProxy();
    stops.push(() => proxy.close());
    vi.stubEnv(name, `http://127.0.0.1:${proxy.port}`);
    const stand = await startStand({
      settings: { [name]: `http://user:canary-other@127.0.0.1:${proxy.port}` },
    });
    stops.push(() => stand.stop());
    await work(stand);
    expect(proxy.asked).toEqual([]);
    const warned = stand.lines.filter((line) => line.includes('"proxy.ignored"'));
    expect(warned).toEqual([expect.stringContaining(name)]);
    const { code, out } = await runCommand('doctor', [], stand.env);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^✗ proxy: ${name} is set.*OUTBOUND_PROXY`, 'm'));
    expect(stand.lines.join('') + out).not.toContain('canary-other');
  },
  60_000,
);
