import { createHash } from 'node:crypto';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { Answer } from './next-snapshot.ts';

/**
 * Keeps answers about documents; a document that cannot be kept is put aside and told of, and comes again when the answer about
 * it is another one, or a day later. @throws what `keep` does, save for one document's fault
 */
export async function keepOrPutAside(
  answers: ReadonlyMap<number, Answer>,
  keep: (answers: Map<number, Answer>) => Promise<void>,
  ports: {
    quarantine: Pick<Quarantine, 'put' | 'find' | 'release'>;
    now: () => Date;
    onRefused(documentId: number, error: unknown): void;
  },
): Promise<void> {
  const { quarantine, now, onRefused } = ports;
  const rows = [...answers].map(([documentId, answer]) => {
    const version = createHash('sha256').update(JSON.stringify(answer)).digest('base64');
    return { documentId, answer, key: String(documentId), version };
  });
  const asked = rows.map(({ key, version }) => ({ key, version }));
  const known = await quarantine.find('documents', asked, now());
  const tried = rows.filter(({ key }) => known.get(key)?.isAside !== true);
  const aside: { key: string; version: string; reason: unknown }[] = [];
  await withoutBadRows(
    tried,
    (some) => keep(new Map(some.map(({ documentId, answer }) => [documentId, answer]))),
    ({ documentId, key, version }, reason) => {
      onRefused(documentId, reason);
      aside.push({ key, version, reason });
    },
  );
  await quarantine.put('documents', aside, now());
  const kept = tried.filter(({ key }) => known.has(key) && !aside.some((one) => one.key === key));
  await quarantine.release(
    'documents',
    kept.map(({ key }) => key),
  );
}
