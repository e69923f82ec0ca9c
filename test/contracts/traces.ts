/** What a suite made on a stand, so that it can be taken away again, the newest first. */
export class Traces {
  private readonly made: { what: string; remove: () => Promise<unknown> }[] = [];

  add(what: string, remove: () => Promise<unknown>): void {
    this.made.push({ what, remove });
  }

  /** Removes all that can be removed and says what could not: somebody has to do it by hand. */
  async sweep(): Promise<void> {
    for (const { what, remove } of this.made.splice(0).reverse()) {
      try {
        await remove();
      } catch (error) {
        console.warn(`contract suite: left behind: ${what} (${(error as Error).message})`);
      }
    }
  }
}
