import { appendFile, chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerPlan } from '../../domain/managed.ts';
import type { Address } from '../settings.ts';
import { settingLine } from './conf-text.ts';
import { expectEmpty, makeDataDirectory, withoutDirectory } from './empty-directory.ts';
import { controlText } from './inspect.ts';
import type { ManagedWork } from './managed-work.ts';
import { writePgpass } from './pgpass.ts';
import { ownFiles, type Place } from './place.ts';
import { type PrivateServer, withPrivateServer } from './private-server.ts';
import { longOptions, programFile, runProgram } from './program.ts';
import { removeRecoverySignals, signalFilesSince, signalRecovery } from './recovery-signal.ts';
import { makeRoles } from './roles.ts';
import { majorOf, startServer } from './run-server.ts';
import { writeServerConf } from './server-conf.ts';
import type { BootstrapMethod } from './settings.ts';
import { startableAsStandby } from './standby-minimums.ts';
import { writeTerm } from './term-file.ts';
import { asUnfinished, endLeftProgram } from './unfinished.ts';
import { writePrimary } from './upstream-conf.ts';
import { replaceFile } from '../durable-file.ts';
import { ownershipOf } from '../data-directory.ts';

/** Makes a cluster in an empty directory and starts it, if `mayOpen`; ends with a primary that is as configured. */
export async function bootstrapServer(
  work: ManagedWork,
  plan: ServerPlan,
  mayOpen: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  const { method, hba } = settings.bootstrap;
  await endLeftProgram(place, settings.clock);
  const wasMissing = await makeDataDirectory(work);
  await expectEmpty(work);
  await writePgpass(work);
  await asUnfinished(place, user, 'bootstrap', async (pidFile) => {
    if (method.kind === 'initdb') await initialize(work, method, pidFile, signal);
    else await withoutDirectory(work, wasMissing, () => restore(work, method, pidFile, signal));
    const major = await majorOf(work);
    if (plan.hba === null && hba.length > 0)
      await appendFile(join(place.configDir, 'pg_hba.conf'), `${hba.join('\n')}\n`);
    // A restored backup is recovered like a standby, with what its former primary had; then it is started as planned.
    const { plan: startable } = startableAsStandby(plan, await controlText(work, signal));
    await writeServerConf(work, startable, major, signal);
    if (method.kind === 'command') await prepareRecovery(work, method, major);
    else await writePrimary(work, major);
    await withPrivateServer(work, (server) => furnish(work, server, pidFile, signal), signal);
    await writePrimary(work, major);
    // What a custom method brings may be a copy of what others have, too.
    if (method.kind === 'initdb') await writeTerm(place.directory, settings.member, null);
    await mayOpen();
  });
  await startServer(work, plan, 'as_it_is', signal);
}

async function initialize(
  work: ManagedWork,
  method: Extract<BootstrapMethod, { kind: 'initdb' }>,
  pidFile: string,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  const { user: superuser, password } = settings.credentials;
  const passwordFile = `${place.unfinished}.password`;
  const args = [`--pgdata=${place.directory.root}`, `--username=${superuser}`, ...longOptions(method.options)];
  const file = programFile(settings, 'initdb');
  try {
    if (password !== null) {
      await rm(passwordFile, { force: true });
      await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
      if (user !== null) await chown(passwordFile, user.uid, user.gid);
      args.push(`--pwfile=${passwordFile}`);
    }
    await runProgram({ file, args, user, pidFile }, settings.clock, signal);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function restore(
  work: ManagedWork,
  method: Extract<BootstrapMethod, { kind: 'command' }>,
  pidFile: string,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  const usual = [
    { name: 'scope', value: settings.scope },
    { name: 'datadir', value: place.directory.root },
  ];
  const [file, ...first] = method.command;
  const args = [...first, ...longOptions([...(method.noParams ? [] : usual), ...method.options])];
  await runProgram({ file, args, user, pidFile }, settings.clock, signal);
}

/** A restored backup recovers to where it is told to, and then becomes a primary. */
async function prepareRecovery(
  work: ManagedWork,
  method: Extract<BootstrapMethod, { kind: 'command' }>,
  major: number,
): Promise<void> {
  if (method.recoveryConf === null) {
    if (!method.keepExistingRecoveryConf) await writePrimary(work, major);
    return;
  }
  const { place } = work;
  const wanted = { recovery_target_action: 'promote', ...method.recoveryConf };
  const lines = Object.entries(wanted).map(([name, value]) => settingLine(name, value));
  const path =
    major < signalFilesSince ? join(place.directory.root, 'recovery.conf') : join(place.configDir, ownFiles.upstream);
  await removeRecoverySignals(place.directory);
  await replaceFile(path, `${lines.join('\n')}\n`, await ownershipOf(place.directory));
  if (major >= signalFilesSince) await signalRecovery(place.directory);
}

async function furnish(work: ManagedWork, server: PrivateServer, pidFile: string, signal: AbortSignal): Promise<void> {
  const { settings, place, user } = work;
  const connection = await server.connect(signal);
  try {
    await makeRoles(connection, settings, signal);
  } finally {
    await connection.close();
  }
  const { postBootstrap } = settings.bootstrap;
  if (postBootstrap === null) return;
  const [file, ...first] = postBootstrap;
  const args = [...first, urlOf(server.address, settings.credentials.user)];
  const environment = { ...passfile(place), PGOPTIONS: '-c synchronous_commit=local -c statement_timeout=0' };
  await runProgram({ file, args, user, environment, pidFile }, settings.clock, signal);
}

function passfile({ pgpass }: Place): Readonly<Record<string, string>> {
  return { PGPASSFILE: pgpass };
}

/** A socket's folder stands in a URL as a host, with its slashes encoded. */
function urlOf({ host, port, database }: Address, user: string): string {
  return `postgresql://${encodeURIComponent(user)}@${encodeURIComponent(host)}:${port}/${encodeURIComponent(database)}`;
}
