// Closes a run with the one plain line that the continuous integration reads, counted by the runner itself.
import type { Reporter, TestModule } from 'vitest/node';

/** Prints `N passed, N failed` (and skipped) after everything else. A module that did not load counts as a failure. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    let [passed, failed, skipped] = [0, unhandledErrors.length, 0];
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
        else skipped++;
      }
    }
    const line = `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
    process.on('exit', () => process.stdout.write(`${line}\n`));
  }
}
