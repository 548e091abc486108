import { readdir, readFile } from 'node:fs/promises';
import { hasCode } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import { pause } from './pause.ts';

/** What the system says of a process (proc(5), `stat`). */
interface ProcessState {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
}

/** Null = there is none, or the system does not show it. */
async function stateOf(pid: number): Promise<ProcessState | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The name of the program stands in parentheses and may hold anything, spaces and parentheses included.
  const [state = 'X', parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent), group: Number(group) };
}

async function processes(): Promise<readonly { readonly pid: number; readonly is: ProcessState }[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(async (pid) => ({ pid, is: await stateOf(pid) })));
  return found.flatMap(({ pid, is }) => (is === null ? [] : [{ pid, is }]));
}

export async function childrenOf(parent: number): Promise<readonly number[]> {
  return (await processes()).filter(({ is }) => is.parent === parent).map(({ pid }) => pid);
}

/** Members of a process group that still run. */
export async function groupMembers(group: number): Promise<readonly number[]> {
  return (await processes()).filter(({ is }) => is.group === group && isAlive(is)).map(({ pid }) => pid);
}

/** The command line or title, with spaces between its words; empty for a process that is gone. */
export async function titleOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replaceAll('\0', ' ').trim();
}

/** False also for a process that has ended and that its parent has not collected yet. */
export async function isRunning(pid: number): Promise<boolean> {
  if (!sendSignal(pid, 0)) return false;
  const is = await stateOf(pid);
  return is === null || isAlive(is);
}

/** Whether there was such a process. A process of another user is there, too. Negative = the group. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    if (signal === 0) return true;
    throw error;
  }
}

/** Whether all of them were gone within the time. */
export async function untilGone(pids: readonly number[], clock: Clock, withinMs: number): Promise<boolean> {
  const deadline = clock.monotonicMs() + withinMs;
  for (;;) {
    const left = await Promise.all(pids.map(isRunning));
    if (!left.includes(true)) return true;
    if (clock.monotonicMs() >= deadline) return false;
    await pause(clock, 10);
  }
}

function isAlive({ state }: ProcessState): boolean {
  return state !== 'Z' && state !== 'X';
}
