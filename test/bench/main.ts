// npm run bench [-- --parts slots,failovers --versions 15,17 --failovers 20 --json]: how quickly slots get onto standbys and
// follow there, what that costs, and beside it, from PostgreSQL 17 on, PostgreSQL's own slot synchronisation; and for how
// long nobody accepts a write when a leader's server, its agent too, or its whole host is gone, and in a switchover.
// Everything on this machine, one after the other; also in bench-report.json.

import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { missingToManage } from '../../src/sandbox/binaries.ts';
import { findPostgres, oldestMajor } from '../../src/sandbox/locate.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { nativeSince } from '../../src/view/method.ts';
import { measureAgents } from './agents.ts';
import { failoverLines, type FailoverReport } from './failover-report.ts';
import { measureFailovers } from './failovers.ts';
import { measureNative } from './native.ts';
import { reportLines, type VersionReport } from './report.ts';

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: 'slots,failovers' },
    versions: { type: 'string', default: '15,17' },
    failovers: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const parts = values.parts.split(',');
if (parts.some((part) => part !== 'slots' && part !== 'failovers')) {
  throw new Error(`--parts is ${JSON.stringify(values.parts)}; it lists slots and failovers`);
}
const majors = values.versions.split(',').map(Number);
if (majors.some((major) => !Number.isInteger(major) || major < oldestMajor)) {
  throw new Error(`--versions is ${JSON.stringify(values.versions)}; it lists majors from ${oldestMajor} on`);
}
const samples = Number(values.failovers);
if (!Number.isInteger(samples) || samples < 1) {
  throw new Error(`--failovers is ${JSON.stringify(values.failovers)}; it is how often each is measured, 1 at least`);
}

const say = (line: string): void => console.error(line);
const print = (lines: readonly string[]): void => {
  if (!values.json) for (const line of [...lines, '']) console.log(line);
};

const versions = parts.includes('slots') ? await measureSlots() : [];
const failovers = parts.includes('failovers') ? await measureLeading() : null;
const report = { versions, failovers };
await writeFile('bench-report.json', `${JSON.stringify(report, null, 2)}\n`);
if (values.json) console.log(JSON.stringify(report));
if (failovers !== null && failovers.lost + failovers.missed > 0) process.exitCode = 1;

async function measureSlots(): Promise<readonly VersionReport[]> {
  /** PostgreSQL's own default, which the sandbox shortens. */
  const settings = { wal_retrieve_retry_interval: '5s' };
  const reports: VersionReport[] = [];
  for (const [index, postgres] of majors.entries()) {
    const slotkeeper = await inSandbox((sandbox) =>
      measureAgents(sandbox, { major: postgres, settings, withCost: index === 0 ? 'cost' : 'no cost', say }),
    );
    if (postgres >= nativeSince) say(`PostgreSQL ${postgres}: the same by PostgreSQL's own synchronisation`);
    const native =
      postgres < nativeSince ? null : await inSandbox((sandbox) => measureNative(sandbox, postgres, settings));
    reports.push({ postgres, slotkeeper, native });
    print(reportLines({ postgres, slotkeeper, native }));
  }
  return reports;
}

/** On the first version that is complete: without `pg_basebackup` there is no standby, without `pg_rewind` no way back. */
async function measureLeading(): Promise<FailoverReport | null> {
  for (const postgres of majors) {
    const missing = missingToManage((await findPostgres(postgres, say)).binDir);
    if (missing.length > 0) {
      say(`PostgreSQL ${postgres} has no ${missing.join(', no ')}: no failovers with it`);
      continue;
    }
    const measured = await inSandbox((sandbox) => measureFailovers(sandbox, { major: postgres, samples, say }));
    print(failoverLines({ postgres, ...measured }));
    return { postgres, ...measured };
  }
  return null;
}

/** Each measurement has the machine to itself. */
async function inSandbox<T>(work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = await Sandbox.open({ progress: say });
  try {
    return await work(sandbox);
  } finally {
    await sandbox.close();
  }
}
