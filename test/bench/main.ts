// npm run bench [-- --versions 15,17] [--json]: how quickly slots get onto standbys and follow there, what that costs, and
// beside it, from PostgreSQL 17 on, PostgreSQL's own slot synchronisation. Everything on this machine, one version after
// the other; also in bench-report.json.

import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { oldestMajor } from '../../src/sandbox/locate.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { nativeSince } from '../../src/view/method.ts';
import { measureAgents } from './agents.ts';
import { measureNative } from './native.ts';
import { reportLines, type VersionReport } from './report.ts';

const { values } = parseArgs({
  options: { versions: { type: 'string', default: '15,17' }, json: { type: 'boolean', default: false } },
});
const majors = values.versions.split(',').map(Number);
if (majors.some((major) => !Number.isInteger(major) || major < oldestMajor)) {
  throw new Error(`--versions is ${JSON.stringify(values.versions)}; it lists majors from ${oldestMajor} on`);
}

/** PostgreSQL's own default, which the sandbox shortens. */
const settings = { wal_retrieve_retry_interval: '5s' };
const say = (line: string): void => console.error(line);

const reports: VersionReport[] = [];
for (const [index, postgres] of majors.entries()) {
  const slotkeeper = await inSandbox((sandbox) =>
    measureAgents(sandbox, { major: postgres, settings, withCost: index === 0 ? 'cost' : 'no cost', say }),
  );
  if (postgres >= nativeSince) say(`PostgreSQL ${postgres}: the same by PostgreSQL's own synchronisation`);
  const native =
    postgres < nativeSince ? null : await inSandbox((sandbox) => measureNative(sandbox, postgres, settings));
  reports.push({ postgres, slotkeeper, native });
  if (!values.json) for (const line of [...reportLines({ postgres, slotkeeper, native }), '']) console.log(line);
}
await writeFile('bench-report.json', `${JSON.stringify({ versions: reports }, null, 2)}\n`);
if (values.json) console.log(JSON.stringify({ versions: reports }));

/** Each measurement has the machine to itself. */
async function inSandbox<T>(work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = await Sandbox.open({ progress: say });
  try {
    return await work(sandbox);
  } finally {
    await sandbox.close();
  }
}
