import { postmasterPid } from '../data-directory.ts';
import type { PendingRestart, ServerPlan } from '../../domain/managed.ts';
import { ServerError } from '../port.ts';
import { configurationRead, pendingRestart } from '../sql/recovery-state.ts';
import type { Statement } from '../statement.ts';
import type { ManagedWork } from './managed-work.ts';
import { pause } from './pause.ts';
import { writePgpass } from './pgpass.ts';
import { isStandbyOnDisk } from './recovery-signal.ts';
import { connectLocally, majorOf } from './run-server.ts';
import { writeServerConf } from './server-conf.ts';
import { sendSignal } from './system-process.ts';
import { refreshUpstream } from './upstream-conf.ts';

/** A reload reaches new connections within milliseconds. */
const reloadMs = 2_000;

/**
 * Brings the configuration files and a server that runs to what is planned; the settings that then wait for a restart. From
 * where a standby streams is not touched. Throws, after everything else has taken effect, when PostgreSQL does not take a setting.
 */
export async function configureServer(
  work: ManagedWork,
  plan: ServerPlan,
  signal: AbortSignal,
): Promise<PendingRestart> {
  const major = await majorOf(work);
  if ((await postmasterPid(work.place.directory)) === null) {
    await writeServerConf(work, plan, major, signal);
    return new Map();
  }
  const before = await ask(work, configurationRead(), signal);
  const { changed, refused } = await writeServerConf(work, plan, major, signal);
  const isStandby = await isStandbyOnDisk(work.place.directory, major);
  const refreshed = isStandby ? await refreshUpstream(work, plan, major) : await refreshPasswords(work);
  if (changed || refreshed) await reload(work, before, signal);
  const pending = await ask(work, pendingRestart(), signal);
  if (refused.length === 0) return pending;
  const what = `PostgreSQL ${major} does not take ${refused.join(', ')}`;
  throw new ServerError(`configure the server: ${what}; left out of its configuration`, 'refused', null);
}

/** A primary's passwords are those that it will stream with one day. */
async function refreshPasswords(work: ManagedWork): Promise<false> {
  await work.alone(() => writePgpass(work));
  return false;
}

async function reload(work: ManagedWork, readBefore: string, signal: AbortSignal): Promise<void> {
  const { clock } = work.settings;
  await signalReload(work);
  const deadline = clock.monotonicMs() + reloadMs;
  while (clock.monotonicMs() < deadline) {
    if ((await ask(work, configurationRead(), signal)) !== readBefore) return;
    await pause(clock, 10, signal);
  }
}

/** Not by SQL: a standby that does not accept connections yet takes a reload, too. */
export async function signalReload(work: ManagedWork): Promise<void> {
  const pid = await postmasterPid(work.place.directory);
  if (pid !== null) sendSignal(pid, 'SIGHUP');
}

/** On a connection made for it, which begins with what the postmaster has read. */
async function ask<Result>(work: ManagedWork, statement: Statement<Result>, signal: AbortSignal): Promise<Result> {
  const connection = await connectLocally(work, signal);
  try {
    return await connection.run(statement, signal);
  } finally {
    await connection.close();
  }
}
