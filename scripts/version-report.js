// A reporter for vitest: what each scenario came to on each version of PostgreSQL, for `npm run test:versions`. Written as
// JSON to the file that SLOTKEEPER_VERSION_REPORT names.

import { writeFileSync } from 'node:fs';
import process from 'node:process';

/** Scenarios are named after what they run on: "three failovers, PostgreSQL 17, native". */
const onVersion = /,? (?:on |of |to )?PostgreSQL ['"]?(\d+)(?:\.\d+)*['"]?(?:, (file_copy|template|native))?/;

export default class VersionReport {
  onTestRunEnd(modules) {
    const rows = new Map();
    const rowOf = (title, project) => {
      const [, major = null, method = null] = onVersion.exec(title) ?? [];
      const row = {
        project,
        scenario: title.replace(onVersion, ''),
        postgres: major === null ? null : Number(major),
        method,
        passed: 0,
        failed: 0,
        skipped: 0,
        measured: {},
      };
      const key = JSON.stringify([project, title]);
      if (!rows.has(key)) rows.set(key, row);
      return rows.get(key);
    };
    for (const module of modules) {
      const project = module.project.name;
      for (const test of module.children.allTests()) {
        const row = rowOf(titleOf(test, module), project);
        row[test.result().state] += 1;
        Object.assign(row.measured, test.meta().measured);
      }
      // A file that cannot be loaded, a hook that fails: no test of it failed, and still it is a failure.
      if (module.errors().length > 0) rowOf(module.relativeModuleId, project).failed += 1;
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) rowOf(titleOf(suite, module), project).failed += 1;
    }
    writeFileSync(process.env.SLOTKEEPER_VERSION_REPORT, `${JSON.stringify([...rows.values()], null, 2)}\n`);
  }
}

/** The outermost block that a test or a block is in; the file, for a test in none. */
function titleOf(entity, module) {
  let outermost = entity.type === 'suite' ? entity.name : module.relativeModuleId;
  for (let at = entity.parent; at !== undefined && at.type === 'suite'; at = at.parent) outermost = at.name;
  return outermost;
}

/** The report as lines of text: cluster scenarios first, each in the order of versions; what the columns mean is below. */
export function versionTable(rows) {
  const heads = [
    'PostgreSQL',
    'method',
    'scenario',
    'passed',
    'failed',
    'restarts',
    'ready ms',
    'lost',
    'twice',
    'before ms',
  ];
  const sorted = [...rows].sort(
    (a, b) =>
      a.project.localeCompare(b.project) ||
      a.scenario.localeCompare(b.scenario) ||
      (a.postgres ?? 0) - (b.postgres ?? 0) ||
      (a.method ?? '').localeCompare(b.method ?? ''),
  );
  const cells = sorted.map((row) => {
    const { restarts, slotReadyMs, lost, duplicated, oldestDuplicateMs } = row.measured;
    const not = row.skipped === 0 ? '' : ` (${row.skipped} not run)`;
    const ready = slotReadyMs?.map(Math.round).join(' ');
    const oldest = oldestDuplicateMs === undefined ? undefined : Math.round(oldestDuplicateMs);
    const figures = [row.passed, `${row.failed}${not}`, restarts, ready, lost, duplicated, oldest];
    return [row.postgres ?? '', row.method ?? '', row.scenario, ...figures].map((cell) => String(cell ?? ''));
  });
  const widths = heads.map((head, column) => Math.max(head.length, ...cells.map((row) => row[column].length)));
  const table = [heads, ...cells].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
  return [...table, '', ...legend];
}

const legend = [
  'restarts: of servers, by slotkeeper. ready ms: from a slot that can be used on the primary, under load, to one that is',
  'ready on every standby. lost, twice: rows that a consumer did not get, or got again. before ms: how long before its',
  'failover the oldest of those that came again had been confirmed.',
];
