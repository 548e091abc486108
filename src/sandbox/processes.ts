// Every process and every temporary folder of a test, the demo or the benchmark belongs to a Sandbox, and goes with it:
// on an orderly end, on Ctrl-C, on an exception, and when the process that opened it is killed.

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Progress } from './binaries.ts';
import { startReaper, type Reaper } from './reaper.ts';
import { run } from './run.ts';
import { asServerUser, resolveCommand, serverUser } from './server-user.ts';
import { childrenOf, commandLineOf, isRunning, signalProcess, untilGone } from './system.ts';

export interface SandboxOptions {
  /** What is going on; nothing by default. */
  readonly progress?: Progress;
  /**
   * `close` (default): SIGINT, SIGTERM and SIGHUP close the sandbox and then end the process, a second one ends it at
   * once. `leave`: the caller handles signals itself and closes.
   */
  readonly onSignal?: 'close' | 'leave';
}

export interface SpawnOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Standard output and error are appended to it. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `server`: as the unprivileged user where we are root. `self` (default): as ourselves. */
  readonly user?: 'self' | 'server';
  /** What a command run as `server` has to be able to read: its script, its modules. */
  readonly reads?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The name's letters that PostgreSQL, Consul and file systems all take. */
const goodName = /^[a-z][a-z0-9_-]{0,40}$/;

const openSandboxes = new Set<Sandbox>();

export class Sandbox {
  /** Absolute, without symbolic links, and within reach of the server user. */
  readonly folder: string;
  readonly progress: Progress;
  readonly #reaper: Reaper;
  readonly #processes = new Set<SandboxProcess>();
  readonly #leftGroups = new Set<SandboxProcess>();
  readonly #names = new Set<string>();
  readonly #atClose: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  private constructor(folder: string, options: SandboxOptions) {
    this.folder = folder;
    this.progress = options.progress ?? (() => undefined);
    this.#reaper = startReaper(folder);
  }

  static async open(options: SandboxOptions = {}): Promise<Sandbox> {
    // a test run marks its sandboxes, so that it can wait until they are gone
    const mark = process.env['SLOTKEEPER_RUN'];
    const prefix = mark === undefined ? 'slotkeeper-' : `slotkeeper-${mark}-`;
    const folder = await realpath(await mkdtemp(join(tmpdir(), prefix)));
    const sandbox = new Sandbox(folder, options);
    // not readable, but to be walked through: the servers' folders below it belong to another user
    await chmod(folder, 0o711);
    if (options.onSignal !== 'leave') closeOnSignal(sandbox);
    return sandbox;
  }

  /** A new folder of that name below the sandbox's; as `server` it belongs to the user who runs PostgreSQL. */
  async makeFolder(name: string, owner: 'self' | 'server' = 'self'): Promise<string> {
    if (!goodName.test(name)) throw new Error(`${JSON.stringify(name)} is no name for a server: ${goodName.source}`);
    if (this.#names.has(name)) throw new Error(`there is already a ${name} in this sandbox`);
    this.#names.add(name);
    const folder = join(this.folder, name);
    await mkdir(folder);
    const user = owner === 'server' ? serverUser() : undefined;
    if (user === undefined) await chmod(folder, 0o755);
    else {
      await chmod(folder, 0o750);
      await chown(folder, user.uid, user.gid);
    }
    return folder;
  }

  /** For what belongs to the sandbox and is no process of it, a container for example. Called once, before the rest. */
  atClose(cleanUp: () => Promise<void>): void {
    this.#atClose.push(cleanUp);
  }

  async spawn(options: SpawnOptions): Promise<SandboxProcess> {
    if (this.#closing !== undefined) throw new Error(`the sandbox is being closed; ${options.name} was not started`);
    const line =
      options.user === 'server'
        ? asServerUser(options.command, options.args, options.reads)
        : { command: options.command, args: options.args };
    const log = openSync(options.logFile, 'a', 0o644);
    try {
      const child = spawn(line.command, line.args, {
        // a group of its own: Ctrl-C shall reach us only, and we stop the servers in order
        detached: true,
        stdio: ['ignore', log, log],
        cwd: options.cwd ?? this.folder,
        env: {
          ...process.env,
          // root's home is closed to the server user, and libpq looks for files in it
          ...(options.user === 'server' && serverUser() !== undefined ? { HOME: this.folder } : {}),
          ...options.env,
        },
        ...(line.uid === undefined ? {} : { uid: line.uid }),
        ...(line.gid === undefined ? {} : { gid: line.gid }),
      });
      const started = await SandboxProcess.of(child, options);
      this.#processes.add(started);
      this.#reaper.watch(started.pid);
      void started.exited.then(() => {
        this.#processes.delete(started);
        // what it started may go on without it (an agent's lifeline does for a moment)
        if (started.groupIsLeft()) this.#leftGroups.add(started);
      });
      return started;
    } finally {
      closeSync(log);
    }
  }

  /** Kills what runs and removes the folder. Safe to call more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      openSandboxes.delete(this);
      if (openSandboxes.size === 0) stopListening();
      this.#reaper.dismiss();
    });
    return this.#closing;
  }

  async #close(): Promise<void> {
    const cleanedUp = await Promise.allSettled(this.#atClose.map((cleanUp) => cleanUp()));
    await this.#endProcesses();
    const failed = cleanedUp.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw new Error('the sandbox could not be cleaned up', { cause: failed.reason });
  }

  async #endProcesses(): Promise<void> {
    // Agents first and with the whole of their group (lifeline, pg_ctl): they would start a server again that is being
    // stopped. A postmaster is not in its agent's group, and is stopped by its postmaster.pid below.
    const running = [...this.#processes];
    const { postmasters, others } = await this.#sort(running);
    for (const other of [...others, ...this.#leftGroups]) other.killGroup();
    await Promise.all(others.map((other) => other.exited));
    await Promise.all(postmasters.map((postmaster) => stopPostmaster(postmaster.pid)));
    for (let attempt = 1; ; attempt += 1) {
      await this.#stopLeftPostmasters();
      try {
        await rm(this.folder, { recursive: true, force: true });
        return;
      } catch (error) {
        // something was still writing
        if (attempt === 20) throw error;
        await delay(100);
      }
    }
  }

  async #sort(running: readonly SandboxProcess[]): Promise<{
    readonly postmasters: readonly SandboxProcess[];
    readonly others: readonly SandboxProcess[];
  }> {
    const pids = new Set((await this.#pidFiles()).map(({ pid }) => pid));
    return {
      postmasters: running.filter(({ pid }) => pids.has(pid)),
      others: running.filter(({ pid }) => !pids.has(pid)),
    };
  }

  async #stopLeftPostmasters(): Promise<void> {
    for (const { pid, segment } of await this.#pidFiles()) {
      if (isRunning(pid) && (await commandLineOf(pid)).includes(this.folder)) await stopPostmaster(pid);
      // a server that was killed leaves its (tiny) shared memory behind; the next start would have removed it
      else if (segment !== undefined && resolveCommand('ipcrm') !== undefined) {
        await run('ipcrm', ['-m', segment]).catch(() => undefined);
      }
    }
  }

  async #pidFiles(): Promise<readonly { readonly pid: number; readonly segment: string | undefined }[]> {
    const folders = (await readdir(this.folder).catch(() => [])).map((name) => join(this.folder, name));
    const candidates = folders.flatMap((folder) => [folder, join(folder, 'data')]);
    const texts = await Promise.all(
      candidates.map((folder) => readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => undefined)),
    );
    return texts.flatMap((text) => {
      const lines = text?.split('\n') ?? [];
      const pid = Number(lines[0]);
      return pid > 0 ? [{ pid, segment: lines[6]?.trim().split(/\s+/).at(-1) }] : [];
    });
  }
}

/** At once (SIGQUIT), since the data goes too; frozen or stubborn ones are killed with their children. */
async function stopPostmaster(pid: number): Promise<void> {
  const children = await childrenOf(pid);
  for (const each of [...children, pid]) signalProcess(each, 'SIGCONT');
  signalProcess(pid, 'SIGQUIT');
  if (await untilGone([pid, ...children], 5_000)) return;
  for (const each of [pid, ...children]) signalProcess(each, 'SIGKILL');
  await untilGone([pid, ...children], 5_000);
}

export class SandboxProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, pid: number, name: string, logFile: string) {
    this.#child = child;
    this.pid = pid;
    this.name = name;
    this.logFile = logFile;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  static async of(child: ChildProcess, { name, logFile, command }: SpawnOptions): Promise<SandboxProcess> {
    const { pid } = child;
    if (pid === undefined) {
      const reason = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new Error(`cannot start ${name} (${command}): ${reason.message}`, { cause: reason });
    }
    child.on('error', () => undefined);
    return new SandboxProcess(child, pid, name, logFile);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) signalProcess(this.pid, signal);
  }

  /** SIGTERM, and SIGKILL if that did not help in time. */
  async stop(withinMs = 10_000): Promise<Exit> {
    this.signal('SIGTERM');
    // a frozen process only takes notice once it goes on
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), withinMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** Kills it and whatever it started in its process group. */
  killGroup(): void {
    signalProcess(-this.pid, 'SIGKILL');
  }

  groupIsLeft(): boolean {
    try {
      return process.kill(-this.pid, 0);
    } catch {
      return false;
    }
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  logTail(lines = 20): Promise<string> {
    return tailOf(this.logFile, lines);
  }
}

export async function tailOf(file: string, lines: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function closeOnSignal(sandbox: Sandbox): void {
  if (openSandboxes.size === 0) {
    for (const signal of signals) process.on(signal, endBy);
    // a test runner that dies does not signal its workers, it just hangs up
    if (process.connected) process.on('disconnect', endByHangUp);
  }
  openSandboxes.add(sandbox);
}

function stopListening(): void {
  for (const signal of signals) process.off(signal, endBy);
  process.off('disconnect', endByHangUp);
}

function endByHangUp(): void {
  endBy('SIGHUP');
}

// Ctrl-C reaches every process in the foreground, and a parent may pass it on once more: that is one request, not two.
const samePressMs = 500;
const firstSignalAt: { value?: number } = {};

function endBy(signal: NodeJS.Signals): void {
  // by the signal's own handling, so that whoever waits for us learns what ended us
  const end = (): void => {
    stopListening();
    process.kill(process.pid, signal);
  };
  if (firstSignalAt.value !== undefined) {
    // what is left then is the reaper's
    if (performance.now() - firstSignalAt.value > samePressMs) end();
    return;
  }
  firstSignalAt.value = performance.now();
  void Promise.allSettled([...openSandboxes].map((sandbox) => sandbox.close())).then(end);
}
