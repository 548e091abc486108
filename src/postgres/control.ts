import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { type Command, runCommand } from './command.ts';
import { type DataDirectory, ownershipOf } from './data-directory.ts';
import { isMissing } from './durable-file.ts';
import type { CommandLine, ControlSettings, ServerTimeouts } from './settings.ts';

/** Stops and starts the server. Both throw with the output of what they ran; the server outlives the agent. */
export interface ServerControl {
  /** Fast: clients are cut off, nothing is lost. Resolves when the server is down. */
  stop(): Promise<void>;
  /** Resolves when the server accepts connections, or runs and does not accept them yet. */
  start(): Promise<void>;
}

export function serverControl(
  settings: ControlSettings,
  directory: DataDirectory,
  timeouts: ServerTimeouts,
  clock: Clock,
): ServerControl {
  if (settings.kind === 'commands') {
    const command = ([file, ...args]: CommandLine): Command => ({ file, args, user: null });
    return {
      stop: () => runCommand(command(settings.stop), { clock, timeoutMs: timeouts.stopMs }),
      start: () => runCommand(command(settings.start), { clock, timeoutMs: timeouts.startMs }),
    };
  }
  const pgCtl = async (args: readonly string[], timeoutMs: number): Promise<void> => {
    const seconds = String(Math.ceil(timeoutMs / 1000));
    const command: Command = {
      file: settings.binDir === null ? 'pg_ctl' : join(settings.binDir, 'pg_ctl'),
      args: [...args, '-D', directory.root, '-w', '-t', seconds],
      user: await serverUser(directory),
    };
    // pg_ctl has the same limit, and says more about it.
    await runCommand(command, { clock, timeoutMs: timeoutMs + 5_000 });
  };
  return {
    stop: () => pgCtl(['stop', '-m', 'fast'], timeouts.stopMs),
    start: async () => {
      const log = settings.logFile ?? join(directory.root, 'slotkeeper.postgresql.log');
      const options = await lastOptions(directory);
      await pgCtl(['start', '-s', '-l', log, ...(options === '' ? [] : ['-o', options])], timeouts.startMs);
    },
  };
}

/** pg_ctl refuses to run as root, and a server must not. Null = as whoever the agent is. */
async function serverUser(directory: DataDirectory): Promise<Command['user']> {
  if (process.geteuid?.() !== 0) return null;
  const { uid, gid } = await ownershipOf(directory);
  return { uid, gid };
}

/**
 * The options that the server was last started with (a configuration file outside the data directory, say), quoted for a
 * shell, as the server leaves them in `postmaster.opts` and `pg_ctl restart` takes them from there.
 */
async function lastOptions(directory: DataDirectory): Promise<string> {
  const line = await readFile(join(directory.root, 'postmaster.opts'), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return '';
    throw error;
  });
  const start = line.indexOf(' "');
  return start === -1 ? '' : line.slice(start).trim();
}
