import { spawn } from 'node:child_process';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** As whom to run it, when the agent is root; null = as the agent. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

/**
 * Runs a command to its end. Throws with the end of what it wrote when it fails, cannot be run, or takes longer than
 * `timeoutMs`; then it is left alone, since a half-done start or stop is better finished. Its output goes to a file
 * and it has a session of its own: a server that it starts inherits neither a pipe from the agent nor its signals.
 */
export async function runCommand(
  command: Command,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<void> {
  const output = await openNameless();
  try {
    const ended = await waitForEnd(command, output.fd, clock, timeoutMs);
    if (ended === 'done') return;
    const said = await endOf(output, 2_000);
    throw new Error(`${command.file} ${ended}${said === '' ? '' : `: ${said}`}`);
  } finally {
    await output.close();
  }
}

/** A file that is gone with its last user: an agent that is killed meanwhile leaves nothing behind. */
export async function openNameless(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
  try {
    return await open(join(folder, 'output'), 'w+', 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The last `bytes` of what was written to it, without spaces at the ends. */
export async function endOf(file: FileHandle, bytes: number): Promise<string> {
  const { size } = await file.stat();
  const length = Math.min(size, bytes);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.toString('utf8').trim();
}

function waitForEnd(command: Command, outputFd: number, clock: Clock, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(command.file, command.args, {
      // Not the agent's directory, which another user may not be able to enter.
      cwd: '/',
      detached: true,
      env: withoutSecrets(process.env),
      stdio: ['ignore', outputFd, outputFd],
      ...(command.user ?? {}),
    });
    child.unref();
    const timer = clock.scheduler.schedule(() => settle(`has not ended after ${timeoutMs} ms`), timeoutMs);
    const settle = (how: string): void => {
      timer.unsubscribe();
      resolve(how);
    };
    child.on('error', (error) => settle(`cannot be run: ${describeError(error)}`));
    child.on('exit', (code, signal) => {
      settle(code === 0 ? 'done' : signal === null ? `failed with ${code ?? '?'}` : `was ended by ${signal}`);
    });
  });
}

/** What the agent knows by its environment is no business of the server, whose environment others can read. */
export function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret = /PASSWORD|PASSWD|TOKEN|SECRET|^PGPASSFILE$|^CONSUL_|^PATRONI_|^SLOTKEEPER_|^NODE_OPTIONS$/i;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secret.test(name)));
}
