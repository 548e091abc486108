import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../base/errors.ts';
import type { Upstream } from '../../domain/lead.ts';
import { parseUrl } from '../conninfo.ts';
import { ServerError } from '../port.ts';
import { namesIn } from './inspect.ts';
import { clearData, expectEmpty, giveUpAside, makeDataDirectory, withoutDirectory } from './empty-directory.ts';
import type { ManagedWork } from './managed-work.ts';
import { writePgpass } from './pgpass.ts';
import { ownPrefix } from './place.ts';
import { inEnglish, longOptions, programFile, runProgram } from './program.ts';
import { signalStandby } from './recovery-signal.ts';
import { majorOf } from './run-server.ts';
import { savedConfigName } from './saved-config.ts';
import { needsNoLeader, type ReplicaMethod } from './settings.ts';
import { asUnfinished, endLeftProgram } from './unfinished.ts';
import { conninfoOf, replicationRole } from './upstream-conf.ts';

/**
 * A copy of the data of `source` by the first method that succeeds, of those that are named, or of all if none is. The source's memory of its own past does not come along.
 */
export async function cloneData(
  work: ManagedWork,
  source: Upstream,
  url: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { settings } = work;
  const database = parseUrl(url)?.database ?? settings.address.database;
  const connstring = conninfoOf(work, source, replicationRole(work), { dbname: database });
  await copyByFirst(work, methodsNamed(settings, names), connstring, `copy the data of ${source.member}`, signal);
}

/** The data out of a backup, by the first of the methods that need nobody to copy from and that succeeds. */
export async function restoreData(work: ManagedWork, signal: AbortSignal): Promise<void> {
  const methods = work.settings.replicaMethods.filter(needsNoLeader);
  await copyByFirst(work, methods, '', 'restore the data', signal);
}

async function copyByFirst(
  work: ManagedWork,
  methods: readonly ReplicaMethod[],
  connstring: string,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const { place, user, settings } = work;
  await endLeftProgram(place, settings.clock);
  const wasMissing = await makeDataDirectory(work);
  if (methods.every((method) => method.kind === 'basebackup' || !method.keepData)) await expectEmpty(work);
  await writePgpass(work);
  await asUnfinished(place, user, 'clone', async (pidFile) => {
    const failures: string[] = [];
    for (const method of methods) {
      signal.throwIfAborted();
      try {
        await copyBy(work, method, { connstring, wasMissing, pidFile }, signal);
        await removeOwnFiles(work);
        await signalStandby(place.directory, await majorOf(work));
        return;
      } catch (error) {
        failures.push(`${nameOf(method)}: ${describeError(error)}`);
      }
    }
    throw new ServerError(`${what}: ${failures.join('; ')}`, 'other', null);
  });
}

/** The agents' own files in the data directory came from the other server, and are true of that one. */
export async function removeOwnFiles({ place }: ManagedWork): Promise<void> {
  for (const name of await namesIn(place.directory.root)) {
    if (!name.startsWith(ownPrefix) && name !== savedConfigName) continue;
    await rm(join(place.directory.root, name), { recursive: true, force: true });
  }
}

interface Copying {
  /** Of the server that is copied; empty = of none. */
  readonly connstring: string;
  /** There was no data directory before. */
  readonly wasMissing: boolean;
  readonly pidFile: string;
}

async function copyBy(
  work: ManagedWork,
  method: ReplicaMethod,
  { connstring, wasMissing, pidFile }: Copying,
  signal: AbortSignal,
): Promise<void> {
  if (method.kind === 'command') {
    if (!method.keepData) await clearData(work);
    const isFirst = wasMissing && !method.keepData;
    await withoutDirectory(work, isFirst, () => runCommandMethod(work, method, connstring, pidFile, signal));
    return;
  }
  await clearData(work);
  const backup = (): Promise<string> => runBaseBackup(work, method.options, connstring, pidFile, signal);
  await backup().catch(async (error: unknown) => {
    if (!/No space left on device/.test(describeError(error)) || !(await giveUpAside(work))) throw error;
    await clearData(work);
    await backup();
  });
}

async function runBaseBackup(
  work: ManagedWork,
  options: Extract<ReplicaMethod, { kind: 'basebackup' }>['options'],
  connstring: string,
  pidFile: string,
  signal: AbortSignal,
): Promise<string> {
  const { settings, place, user } = work;
  const own = [
    `--pgdata=${place.directory.root}`,
    '--wal-method=stream',
    `--dbname=${connstring}`,
    '--no-password',
    // Else the copy waits for the source's next checkpoint, which may be minutes away.
    ...(options.some(({ name }) => name === 'checkpoint') ? [] : ['--checkpoint=fast']),
  ];
  const args = [...own, ...longOptions(options)];
  const file = programFile(settings, 'pg_basebackup');
  return runProgram({ file, args, user, environment: inEnglish, pidFile }, settings.clock, signal);
}

async function runCommandMethod(
  work: ManagedWork,
  method: Extract<ReplicaMethod, { kind: 'command' }>,
  connstring: string,
  pidFile: string,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  const usual = [
    { name: 'scope', value: settings.scope },
    { name: 'role', value: 'replica' },
    { name: 'datadir', value: place.directory.root },
    { name: 'connstring', value: connstring },
  ];
  const [file, ...first] = method.command;
  const args = [...first, ...longOptions([...method.options, ...(method.noParams ? [] : usual)])];
  const environment = { PGPASSFILE: place.pgpass };
  await runProgram({ file, args, user, environment, pidFile }, settings.clock, signal);
}

/** Those for the copy of another cluster's primary need not be those for copies of a member. */
function methodsNamed(
  { replicaMethods, remoteMethods }: ManagedWork['settings'],
  names: readonly string[],
): readonly ReplicaMethod[] {
  if (names.length === 0) return replicaMethods;
  return names.map((name) => {
    const method = [...remoteMethods, ...replicaMethods].find((one) => nameOf(one) === name);
    if (method !== undefined) return method;
    const plain: ReplicaMethod = { kind: 'basebackup', options: [] };
    if (name === 'basebackup') return plain;
    throw new ServerError(`copy the data: the file of this agent has no replica method ${name}`, 'other', null);
  });
}

function nameOf(method: ReplicaMethod): string {
  return method.kind === 'basebackup' ? 'basebackup' : method.name;
}
