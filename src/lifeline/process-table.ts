import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

// Read at once and not in the background: /proc needs no disk, and a disk that hangs must not keep a fence waiting.

/** A process; its number alone may be another's by the time it is signalled. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, in clock ticks since the machine's start; empty where the system has no /proc. */
  readonly startedTicks: string;
}

interface Stat {
  /** The first 15 characters of the program's name. */
  readonly program: string;
  readonly state: string;
  readonly parent: number;
  readonly startedTicks: string;
}

const hasProc = process.platform === 'linux';

/** The process with that number; null = there is none, or only a dead one that nobody has collected. */
export function processWith(pid: number): ProcessIdentity | null {
  if (!hasProc) return isThere(pid) ? { pid, startedTicks: '' } : null;
  const stat = statOf(pid);
  return stat === null || isDead(stat) ? null : { pid, startedTicks: stat.startedTicks };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return processWith(identity.pid)?.startedTicks === identity.startedTicks;
}

export function isSame(a: ProcessIdentity | null, b: ProcessIdentity | null): boolean {
  return a?.pid === b?.pid && a?.startedTicks === b?.startedTicks;
}

export function childrenOf(parent: ProcessIdentity): readonly ProcessIdentity[] {
  return everyProcess()
    .filter(({ stat }) => stat.parent === parent.pid)
    .map(({ pid, stat }) => ({ pid, startedTicks: stat.startedTicks }));
}

/** Processes of such programs that work in that directory, as a server and each of its processes does. */
export function processesIn(directory: string, program: RegExp): readonly ProcessIdentity[] {
  return everyProcess()
    .filter(({ pid, stat }) => program.test(stat.program) && workingDirectoryOf(pid) === directory)
    .map(({ pid, stat }) => ({ pid, startedTicks: stat.startedTicks }));
}

/** Processes of these programs whose command line, arguments separated by spaces, is as wanted. */
export function processesOf(
  programs: ReadonlySet<string>,
  isWanted: (commandLine: string) => boolean,
): readonly ProcessIdentity[] {
  return everyProcess()
    .filter(({ pid, stat }) => programs.has(stat.program) && isWanted(commandLineOf(pid)))
    .map(({ pid, stat }) => ({ pid, startedTicks: stat.startedTicks }));
}

/** Null = not to be seen. */
export function workingDirectoryOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

/** Signals the process if it still is the same; false = it is gone. Throws when it may not be signalled. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Tells this start of the machine from all others: the monotonic clock begins with it. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function everyProcess(): readonly { readonly pid: number; readonly stat: Stat }[] {
  if (!hasProc) return [];
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? statOf(pid) : null;
    return stat === null || isDead(stat) ? [] : [{ pid, stat }];
  });
}

/** Only waiting to be collected, which in a container without an init process nobody may ever do. */
function isDead({ state }: Stat): boolean {
  return state === 'Z' || state === 'X';
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name is in parentheses and may hold anything, spaces and parentheses included.
    const nameEnd = text.lastIndexOf(')');
    const fields = text.slice(nameEnd + 2).split(' ');
    const [state = 'X', parent = '0'] = fields;
    return {
      program: text.slice(text.indexOf('(') + 1, nameEnd),
      state,
      parent: Number(parent),
      startedTicks: fields[19] ?? '',
    };
  } catch {
    return null;
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    return codeOf(error) === 'EPERM';
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
