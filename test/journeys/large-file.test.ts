import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Process, startProcess } from './process.ts';
import { addDeal, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';

const MEGABYTE = 1024 * 1024;
const SIZE = 50 * MEGABYTE;
const sha256 = (bytes: Uint8Array = Buffer.alloc(0)) => hash('sha256', bytes);

let stand: Stand;
let service: Process;

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'warn', DIRECTUM_POLL_SECONDS: '1' } });
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_FILE', 'file');
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_SIGNED', 'file');
  await stand.pause();
  service = await startProcess(stand.env, 'main');
}, 90_000);
afterAll(async () => {
  await service?.terminate();
  await stand.stop();
});

/** The deal's file goes to Directum with its contract, and the signed one comes back. */
async function thereAndBack(bytes: Buffer, pdf: Buffer) {
  const { deal } = addDeal(stand, { requisite: ROMASHKA });
  stand.portal.addFile(2, deal, 'UF_CRM_FILE', 'договор.docx', bytes);
  const properties = { subject: 'Поставка', file_field: 'UF_CRM_FILE' };
  const made = await runStep(stand, deal, 'directum_create_contract', properties, 60_000);
  expect(made).toMatchObject({ ok: 'Y' });
  const document = Number(made['document_id']);
  stand.directum.sign(document, { pdf });
  const signed = { signed_file_field: 'UF_CRM_SIGNED' };
  const waited = await runStep(stand, deal, 'directum_wait_signature', signed, 60_000);
  expect(waited).toMatchObject({ ok: 'Y', result: 'signed' });
  return {
    sent: stand.directum.versions(document)[0]?.bytes ?? undefined,
    brought: stand.portal.fileBytes(Number(stand.portal.item(2, deal)['UF_CRM_SIGNED'])),
  };
}

describe.skipIf(process.platform !== 'linux')('a file of 50 MB', () => {
  it('passes both ways whole, without lying in memory twice', async () => {
    // What the first files load stays in memory and is none of a large one's.
    for (let i = 0; i < 3; i += 1) await thereAndBack(randomBytes(MEGABYTE), randomBytes(MEGABYTE));
    const before = await service.resetPeak();
    const [bytes, pdf] = [randomBytes(SIZE), randomBytes(SIZE)];
    const { sent, brought } = await thereAndBack(bytes, pdf);
    const grown = (await service.peakMegabytes()) - before;
    expect(sha256(sent)).toBe(sha256(bytes));
    expect(sha256(brought)).toBe(sha256(pdf));
    expect(grown).toBeLessThan((2 * SIZE) / MEGABYTE);
  }, 180_000);
});
