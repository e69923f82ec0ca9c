import type { DocumentContextPort } from '../../documents/ports/document-context.ts';
import type { DocumentWork } from '../../robot/ports/document-state.ts';

/** Who holds a document now (directum.md F.1, F.2): asked of its tasks when it is called, kept nowhere. */
export function createDocumentWork(context: DocumentContextPort) {
  return async function work(documentId: number): Promise<DocumentWork> {
    const tasks = await context.tasksOf([documentId]);
    const timeOf = (at: string | null) => (at === null ? 0 : Date.parse(at));
    const newest = tasks.toSorted((a, b) => timeOf(b.startedAt) - timeOf(a.startedAt) || b.id - a.id)[0];
    const assignments = tasks.length === 0 ? [] : await context.assignmentsOf(tasks.map(({ id }) => id));
    const open = assignments
      .filter(({ status }) => status === 'InProcess')
      .toSorted((a, b) => timeOf(a.created) - timeOf(b.created));
    const names = open.flatMap(({ performer }) => performer?.name || []);
    return {
      holders: [...new Set(names)],
      since: open.find(({ created }) => created !== null)?.created ?? null,
      taskUrl: newest?.url ?? null,
    };
  };
}
