import type { ShowStore, ToShow } from '../../store/documents/deal-projection.ts';
import type { MirroredTasks } from '../../store/documents/synced-tasks.ts';

/** What is shown in a moment anyway: it is repaired too, but nothing of it was lost. */
export interface Awaited {
  /** As `DEAL_915 5001`. */
  items: ReadonlySet<string>;
  /** By their assignments. */
  tasks: ReadonlySet<number>;
}

export async function readAwaited(
  portal: string,
  ids: number[],
  { showing, mirrored }: { showing: ShowStore; mirrored: MirroredTasks },
): Promise<Awaited> {
  const tasks = (await mirrored.of(portal, ids)).filter(({ due }) => due);
  return {
    items: await showing.awaited(portal, ids),
    tasks: new Set(tasks.map(({ assignmentId }) => assignmentId)),
  };
}

export function toName({ itemCode, documentId }: Pick<ToShow, 'itemCode' | 'documentId'>): string {
  return `${itemCode} ${documentId}`;
}
