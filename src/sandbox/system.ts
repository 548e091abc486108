// What Node.js has no call for: other processes' states and children. By pid only.

import { readdir, readFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from './run.ts';

const hasProc = existsSync('/proc/self/stat');

/** False for a zombie: it is dead, and in a container without an init process nobody may ever collect it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !hasProc || !'ZX'.includes(statOf(pid)?.state ?? 'X');
}

interface Stat {
  readonly state: string;
  readonly parent: number;
}

function parseStat(text: string): Stat {
  // the command name is in parentheses and may hold anything, spaces and parentheses included
  const [state = 'X', parent = '0'] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
}

function statOf(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

export async function childrenOf(pid: number): Promise<number[]> {
  if (!hasProc) {
    const table = await run('ps', ['-A', '-o', 'pid=,ppid=']);
    return table
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .filter(([, parent]) => parent === pid)
      .map(([child = 0]) => child);
  }
  const pids = (await readdir('/proc')).map(Number).filter((entry) => Number.isInteger(entry));
  const stats = await Promise.all(
    pids.map(async (child) => ({
      child,
      stat: await readFile(`/proc/${child}/stat`, 'utf8').then(parseStat, () => undefined),
    })),
  );
  return stats.filter(({ stat }) => stat?.parent === pid).map(({ child }) => child);
}

/** The command line, arguments separated by spaces; empty for a process that is gone. */
export async function commandLineOf(pid: number): Promise<string> {
  if (hasProc)
    return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (text) => text.replaceAll('\0', ' '),
      () => '',
    );
  return run('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => '');
}

/** Whether the process still existed. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Whether all of them were gone in time. */
export async function untilGone(pids: readonly number[], withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (pids.some(isRunning)) {
    if (performance.now() > deadline) return false;
    await delay(5);
  }
  return true;
}

/** The postmaster that runs in a data directory now, whoever started it. */
export async function postmasterIn(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  if (!(pid > 0) || !isRunning(pid)) return undefined;
  // a pid that outlived a crash may be another process's by now
  return (await commandLineOf(pid)).includes(dataDir) ? pid : undefined;
}
