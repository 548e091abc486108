import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { describeError } from '../../base/errors.ts';
import type { ManagedWork } from './managed-work.ts';
import { environmentForOthers, programFile } from './program.ts';
import { sendSignal } from './system-process.ts';

/** A server that this agent has started. It outlives the agent. */
export interface Postmaster {
  readonly pid: number;
  /** How it ended, in words; null = it runs. */
  ended(): string | null;
  /** The end of what it wrote to its standard output since it was started. */
  said(): Promise<string>;
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts a server in a session of its own. Not by pg_ctl: so its process id is known from the first moment, and a fence can
 * never come between pg_ctl's start and the server's lock file.
 */
export async function launch(work: ManagedWork, options: readonly string[], logFile: string): Promise<Postmaster> {
  const { settings, place, user } = work;
  const log = await open(logFile, 'a', 0o600);
  try {
    if (user !== null) await log.chown(user.uid, user.gid);
    const { size } = await log.stat();
    const file = programFile(settings, 'postgres');
    const child = spawn(file, ['-D', place.directory.root, ...options], {
      cwd: '/',
      detached: true,
      env: environmentForOthers(process.env),
      stdio: ['ignore', log.fd, log.fd],
      ...(user ?? {}),
    });
    let end: string | null = null;
    child.on('error', (error) => (end = `cannot be run: ${describeError(error)}`));
    child.on(
      'exit',
      (code, signal) => (end = signal === null ? `ended with ${code ?? '?'}` : `was ended by ${signal}`),
    );
    child.unref();
    const { pid } = child;
    if (pid === undefined) {
      const error = await new Promise((resolve) => child.once('error', resolve));
      throw new Error(`${file} cannot be run: ${describeError(error)}`);
    }
    return {
      pid,
      ended: () => end,
      said: () => textFrom(logFile, size),
      signal: (signal) => {
        if (end === null) sendSignal(pid, signal);
      },
    };
  } finally {
    await log.close();
  }
}

async function textFrom(path: string, from: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - 2_000);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - start)), 0, null, start);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await file.close();
  }
}
