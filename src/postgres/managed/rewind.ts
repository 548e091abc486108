import { ServerError } from '../port.ts';
import type { Upstream } from '../../domain/lead.ts';
import { connect } from '../client.ts';
import { parseUrl } from '../conninfo.ts';
import { postmasterPid } from '../data-directory.ts';
import { checkpoint, isInRecovery } from '../sql/recovery-state.ts';
import { removeOwnFiles } from './clone.ts';
import { controlData } from './inspect.ts';
import type { ManagedWork } from './managed-work.ts';
import { writePgpass } from './pgpass.ts';
import { inEnglish, programFile, runProgram } from './program.ts';
import { removeRecoverySignals, signalStandby } from './recovery-signal.ts';
import { majorOf } from './run-server.ts';
import { configOptions } from './server-conf.ts';
import { asUnfinished, endLeftProgram } from './unfinished.ts';
import { conninfoOf } from './upstream-conf.ts';

/**
 * Takes the data back to where the history of `source` branched off. It is tried out first, so that a failure for which
 * there are reasons beforehand (WAL that is gone, a source that cannot be reached) leaves the data as it was.
 */
export async function rewindData(work: ManagedWork, source: Upstream, url: string, signal: AbortSignal): Promise<void> {
  const { settings, place, user } = work;
  const running = await postmasterPid(place.directory);
  if (running !== null) throw new ServerError(`rewind: process ${running} runs on the data`, 'other', null);
  await endLeftProgram(place, settings.clock);
  const major = await majorOf(work);
  const database = parseUrl(url)?.database ?? settings.address.database;
  await checkpointAt(work, source, database, signal);
  await recoverAlone(work, major, signal);
  await writePgpass(work);
  const rewind = (more: readonly string[], pidFile?: string): Promise<string> => {
    const connstring = conninfoOf(work, source, settings.rewind ?? settings.credentials, { dbname: database });
    const args = [`--target-pgdata=${place.directory.root}`, `--source-server=${connstring}`, ...more];
    const file = programFile(settings, 'pg_rewind');
    const withPid = pidFile === undefined ? {} : { pidFile };
    return runProgram({ file, args, user, environment: inEnglish, ...withPid }, settings.clock, signal);
  };
  await rewind(['--dry-run']);
  await asUnfinished(place, user, 'rewind', async (pidFile) => {
    await rewind([], pidFile);
    await removeOwnFiles(work);
    await signalStandby(place.directory, major);
  });
}

/**
 * pg_rewind reads the source's timeline from its control file, which says the former one until the first checkpoint after a
 * promotion (FACTS 4).
 */
async function checkpointAt(work: ManagedWork, source: Upstream, database: string, signal: AbortSignal): Promise<void> {
  const { credentials, timeouts } = work.settings;
  const options = { connectTimeoutMs: timeouts.connectMs, statementTimeoutMs: 0 };
  const connection = await connect({ host: source.host, port: source.port, database }, credentials, options, signal);
  try {
    if (await connection.run(isInRecovery(), signal)) {
      throw new ServerError(`rewind: ${source.member} is not a primary`, 'refused', null);
    }
    await connection.run(checkpoint(), signal);
  } finally {
    await connection.close();
  }
}

/**
 * pg_rewind wants data that was shut down in order. After a crash, recovery in single-user mode brings that about; some
 * versions of pg_rewind would do it themselves, but not with a configuration that is elsewhere, and not for a standby.
 */
async function recoverAlone(work: ManagedWork, major: number, signal: AbortSignal): Promise<void> {
  const { settings, place, user } = work;
  const { state } = await controlData(work, signal);
  if (state === 'shut down' || state === 'shut down in recovery') return;
  await removeRecoverySignals(place.directory);
  // What is recovered here is thrown away right after, so it is not to reach an archive.
  const noArchive = ['-c', 'archive_mode=on', '-c', 'archive_command=false'];
  // Its checkpoint would else remove WAL that pg_rewind looks for, back to the last one before the histories part.
  const allWal = ['-c', major >= 13 ? 'wal_keep_size=1000000' : 'wal_keep_segments=65536'];
  const options = [...configOptions(work), ...noArchive, ...allWal];
  const args = ['--single', '-D', place.directory.root, ...options, 'template1'];
  const file = programFile(settings, 'postgres');
  try {
    // It ends at the end of its input, which is empty.
    await runProgram({ file, args, user, environment: inEnglish }, settings.clock, signal);
  } finally {
    if (state === 'in archive recovery') await signalStandby(place.directory, major);
  }
}
