import { join } from 'node:path';
import type { PendingRestart, ServerPlan } from '../../domain/managed.ts';
import { type ConnectOptions, type Connection, connect } from '../client.ts';
import { postmasterPid } from '../data-directory.ts';
import { ServerError } from '../port.ts';
import { checkpoint, isInRecovery } from '../sql/recovery-state.ts';
import { physicalWalsenders } from '../sql/walsenders.ts';
import { controlData, controlText } from './inspect.ts';
import type { ManagedWork } from './managed-work.ts';
import { ownFiles } from './place.ts';
import { type Postmaster, launch } from './postmaster.ts';
import { runProgram, programFile } from './program.ts';
import { isStandbyOnDisk, majorOnDisk } from './recovery-signal.ts';
import { configOptions, writeServerConf } from './server-conf.ts';
import { startableAsStandby } from './standby-minimums.ts';
import { stopFast, stopImmediately } from './stop-server.ts';
import { writeTerm } from './term-file.ts';
import { pause } from './pause.ts';
import { takeTimelines } from './taken-timelines.ts';
import { untilGone } from './system-process.ts';
import { untilStarted } from './until-started.ts';
import { writePrimary, writeStandby } from './upstream-conf.ts';

const endingMs = 1_000;

/** How the next start is to be: as a primary under a term, as a standby, or as what the directory says it is. */
export type StartAs = { readonly term: number } | 'standby' | 'as_it_is';

/** A connection of the agent itself to the server. */
export function connectLocally(
  { settings }: Pick<ManagedWork, 'settings'>,
  signal: AbortSignal,
  options: Partial<ConnectOptions> = {},
): Promise<Connection> {
  const { address, credentials, timeouts } = settings;
  const usual = { connectTimeoutMs: timeouts.connectMs, statementTimeoutMs: timeouts.lookMs };
  return connect(address, credentials, { ...usual, ...options }, signal);
}

/** Throws ServerError when the directory holds no data. */
export async function majorOf(work: ManagedWork): Promise<number> {
  const major = await majorOnDisk(work.place.directory);
  if (major !== null) return major;
  throw new ServerError(`${work.place.directory.root} is no data directory of PostgreSQL`, 'other', null);
}

/** Resolves to the settings that are not as planned, because a standby would not start with them, by name. */
export async function startServer(
  work: ManagedWork,
  planned: ServerPlan,
  as: StartAs,
  signal: AbortSignal,
): Promise<PendingRestart> {
  const { directory } = work.place;
  const running = await postmasterPid(directory);
  if (running !== null) throw new ServerError(`start the server: process ${running} runs on its data`, 'other', null);
  const major = await majorOf(work);
  const { plan, raised } =
    as === 'standby'
      ? startableAsStandby(planned, await controlText(work, signal))
      : { plan: planned, raised: new Map() };
  await writeServerConf(work, plan, major, signal);
  if (as === 'standby') {
    await writeStandby(work, plan, major);
  } else if (as !== 'as_it_is') {
    await refuseStandbyData(work, major, signal);
    await writeTerm(directory, work.settings.member, as.term);
    await writePrimary(work, major);
  }
  signal.throwIfAborted();
  const mayWrite = as !== 'standby' && !(await isStandbyOnDisk(directory, major));
  const postmaster = await launch(work, configOptions(work), join(directory.root, ownFiles.log));
  try {
    await untilStarted(postmaster, (attempt) => connectLocally(work, attempt), work.settings.clock, signal);
  } catch (error) {
    // A standby may come up behind our back, a server that accepts writes must not.
    if (mayWrite) await endAtOnce(work, postmaster);
    throw error;
  }
  return raised;
}

/** It may not have its lock file yet, by which others find it. */
async function endAtOnce({ settings, place }: ManagedWork, postmaster: Postmaster): Promise<void> {
  postmaster.signal('SIGQUIT');
  if (!(await untilGone([postmaster.pid], settings.clock, endingMs)))
    await stopImmediately(place.directory, settings.clock);
}

/**
 * A standby becomes a primary by a promotion only: without one it would write on the timeline of whom it followed. What
 * it was is in the control file, too, should the signal file be gone.
 */
async function refuseStandbyData(work: ManagedWork, major: number, signal: AbortSignal): Promise<void> {
  const { state } = await controlData(work, signal);
  const wasStandby = state === 'in archive recovery' || state === 'shut down in recovery';
  if (!wasStandby && !(await isStandbyOnDisk(work.place.directory, major))) return;
  throw new ServerError(
    'start the server as a primary: its data is that of a standby, which is promoted instead',
    'refused',
    null,
  );
}

export async function stopServer(work: ManagedWork, signal: AbortSignal): Promise<void> {
  const { settings, place, user } = work;
  if ((await postmasterPid(place.directory)) === null) return;
  if (settings.beforeStop !== null) {
    const [file, ...args] = settings.beforeStop;
    await runProgram({ file, args, user }, settings.clock, signal).catch(() => undefined);
  }
  await stopFast(place.directory, await noteStandbys(work, signal), settings.clock, signal);
}

const notingMs = 500;

/** Asked before the stop, since a server that stops takes no connections; null = it does not answer. */
async function noteStandbys(work: ManagedWork, signal: AbortSignal): Promise<ReadonlySet<number> | null> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(notingMs)]);
  try {
    const connection = await connectLocally(work, limit);
    try {
      return new Set(await connection.run(physicalWalsenders(), limit));
    } finally {
      await connection.close();
    }
  } catch {
    return null;
  }
}

const askEveryMs = 10;

export async function promoteServer(
  work: ManagedWork,
  term: number,
  newestTimeline: number,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  if (settings.prePromote !== null) {
    const [file, ...args] = settings.prePromote;
    await runProgram({ file, args, user }, settings.clock, signal);
  }
  // Only now: a standby that was not promoted after all has written nothing under that term.
  await writeTerm(place.directory, settings.member, term);
  await takeTimelines(place.directory, newestTimeline);
  const args = ['promote', '-W', '-D', place.directory.root];
  await runProgram({ file: programFile(settings, 'pg_ctl'), args, user }, settings.clock, signal);
  await untilPromoted(work, signal);
  // So that pg_rewind, which reads the timeline from the control file, can be used at once. Nobody waits for it.
  void checkpointLocally(work, new AbortController().signal).catch(() => undefined);
}

async function untilPromoted(work: ManagedWork, signal: AbortSignal): Promise<void> {
  const { settings, place } = work;
  for (;;) {
    if (await isPrimaryNow(work, signal)) return;
    if (signal.aborted) throw new ServerError('promote: given up; the server goes on with it', 'timeout', null);
    if ((await postmasterPid(place.directory)) === null) {
      throw new ServerError('promote: the server has ended', 'not_running', null);
    }
    await pause(settings.clock, askEveryMs, signal);
  }
}

/** Asks on one connection until it is, or the connection is of no more use. */
async function isPrimaryNow(work: ManagedWork, signal: AbortSignal): Promise<boolean> {
  try {
    const connection = await connectLocally(work, signal);
    try {
      while (await connection.run(isInRecovery(), signal)) await pause(work.settings.clock, askEveryMs, signal);
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

/** A checkpoint takes as long as it takes. */
export async function checkpointLocally(work: ManagedWork, signal: AbortSignal): Promise<void> {
  const connection = await connectLocally(work, signal, { statementTimeoutMs: 0 });
  try {
    await connection.run(checkpoint(), signal);
  } finally {
    await connection.close();
  }
}
