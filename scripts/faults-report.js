// A reporter for vitest: what each fault came to, for `npm run test:faults`. Printed at the end, and written as JSON to the
// file that SLOTKEEPER_FAULTS_REPORT names.

import { writeFileSync } from 'node:fs';
import process from 'node:process';

export default class FaultsReport {
  onTestRunEnd(modules) {
    const rows = modules
      .flatMap((module) => [...module.children.allTests()])
      .filter((test) => test.result().state !== 'skipped')
      .map((test) => {
        const { state, errors } = test.result();
        const { gapMs = null, wholeMs = null, writers = null } = test.meta().fault ?? {};
        const why = errors?.[0]?.message.split('\n')[0] ?? null;
        return { phase: test.parent.name, fault: test.name, state, gapMs, wholeMs, writers, why };
      });
    const file = process.env.SLOTKEEPER_FAULTS_REPORT;
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
    for (const line of ['', ...table(rows)]) console.log(line);
  }
}

const heads = ['when', 'what', 'result', 'no write s', 'whole s', 'writers', 'why'];

const legend = [
  'no write: the longest time without an acknowledged write from the fault on. whole: from the end of the fault until one',
  'server led the two others, with the slot ready on each. writers: runs of servers that accepted writes, never two at once.',
];

function table(rows) {
  const seconds = (ms) => (ms === null ? '' : (ms / 1_000).toFixed(1));
  const cells = rows.map(({ phase, fault, state, gapMs, wholeMs, writers, why }) =>
    [phase, fault, state, seconds(gapMs), seconds(wholeMs), writers ?? '', why ?? ''].map(String),
  );
  const widths = heads.map((head, column) => Math.max(head.length, ...cells.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return [...[heads, ...cells].map(line), '', ...legend];
}
