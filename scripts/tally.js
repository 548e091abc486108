// A reporter for vitest: counts over all projects, for the closing line of `npm test`.

import { writeFileSync } from 'node:fs';
import process from 'node:process';

export default class Tally {
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      // A file that cannot be loaded, a hook that fails: no test of it failed, and still it is a failure.
      const suites = [module, ...module.children.allSuites()];
      count.failed += suites.filter((suite) => suite.errors().length > 0).length;
    }
    writeFileSync(process.env.SLOTKEEPER_TALLY, JSON.stringify(count));
  }
}
