import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Where the long files are; one of them that begins last would be waited for alone. */
const LONG = ['/test/journeys/', '/test/security/', '/test/store/'];

/** A fresh clone knows no durations, so the folders with long files go first. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((folder) => moduleId.includes(folder));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.contract.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A machine may be busy; a poll ends as soon as what it waits for is there.
    expect: { poll: { timeout: 10_000 } },
    globalSetup: './test/store/ready-cluster.ts',
    pool: 'forks',
    // Modules hold no state, so that files of one worker may share them: half a minute less.
    isolate: false,
    // Most journeys wait more than they work.
    maxWorkers: 4,
    sequence: { sequencer: LongFirst },
  },
});
