import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { endOf, openNameless } from '../command.ts';
import { groupMembers, sendSignal } from './system-process.ts';
import { pause } from './pause.ts';
import type { ServerUser } from './server-user.ts';
import type { ManagedServerSettings, Program, ProgramOption } from './settings.ts';

/** A program that is run to its end. */
export interface ProgramRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly user: ServerUser;
  /** Over the agent's own environment, of which what could be secret or would mislead is left out. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A file of the server's user in which the program's process id is put before it begins. */
  readonly pidFile?: string;
}

/** For programs whose words are read: initdb must not have it, since it takes the locale of the cluster from there. */
export const inEnglish = { LC_ALL: 'C' } as const;

/** Time for a program that was told to end. */
const endingMs = 3_000;

/**
 * Runs a program in a process group of its own; resolves to the end of what it wrote. Throws with that when it fails. When
 * the signal is aborted, the whole group is ended before this rejects.
 */
export async function runProgram(run: ProgramRun, clock: Clock, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const output = await openNameless();
  try {
    const how = await ended(run, output.fd, clock, signal);
    const said = await endOf(output, 8_000);
    if (how === null) return said;
    throw new Error(`${run.file} ${how}${said === '' ? '' : `: ${said.slice(-2_000)}`}`);
  } finally {
    await output.close();
  }
}

export function programFile(settings: ManagedServerSettings, program: Program): string {
  const name = settings.binNames[program] ?? program;
  return settings.binDir === null ? name : join(settings.binDir, name);
}

export function longOptions(options: readonly ProgramOption[]): readonly string[] {
  return options.map(({ name, value }) => (value === null ? `--${name}` : `--${name}=${value}`));
}

/** How it ended; null = well. */
function ended(run: ProgramRun, outputFd: number, clock: Clock, signal: AbortSignal): Promise<string | null> {
  const { file, args } = withPidFile(run);
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      // Another user may not be able to enter the agent's directory, where an operator's relative paths begin.
      ...(run.user === null ? {} : { cwd: '/' }),
      detached: true,
      env: { ...environmentForOthers(process.env), ...run.environment },
      stdio: ['ignore', outputFd, outputFd],
      ...(run.user ?? {}),
    });
    const onAbort = (): void => {
      if (child.pid !== undefined) void endGroup(child.pid, clock);
    };
    const settle = (how: string | null): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(how);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    child.on('error', (error) => settle(`cannot be run: ${describeError(error)}`));
    child.on('exit', (code, by) => {
      if (signal.aborted) void untilGroupIsGone(child.pid ?? 0, clock).then(() => settle('was given up'));
      else if (code === 0) settle(null);
      else settle(by === null ? `failed with ${code ?? '?'}` : `was ended by ${by}`);
    });
  });
}

/** The shell becomes the program, so that there is no moment in which the program runs and its number is not on disk. */
function withPidFile({ file, args, pidFile }: ProgramRun): { readonly file: string; readonly args: readonly string[] } {
  if (pidFile === undefined) return { file, args };
  return { file: '/bin/sh', args: ['-c', 'echo $$ > "$0" && exec "$@"', pidFile, file, ...args] };
}

async function endGroup(group: number, clock: Clock): Promise<void> {
  sendSignal(-group, 'SIGTERM');
  await pause(clock, endingMs);
  if ((await groupMembers(group)).length > 0) sendSignal(-group, 'SIGKILL');
}

async function untilGroupIsGone(group: number, clock: Clock): Promise<void> {
  while ((await groupMembers(group)).length > 0) await pause(clock, 20);
}

/**
 * What the agent knows by its environment is no business of others, and libpq's own variables would change what is meant.
 * The rest stays: the operator's commands for backups and archives may need it.
 */
export function environmentForOthers(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = /^(PG|PATRONI_|SLOTKEEPER_|CONSUL_|POSTGRES_)|^NODE_OPTIONS$/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !own.test(name)));
}
