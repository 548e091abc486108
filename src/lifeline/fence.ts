import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '../base/errors.ts';
import { postmasterOn } from './postmaster.ts';
import { within } from './patience.ts';
import {
  childrenOf,
  isAlive,
  processesIn,
  processesOf,
  processWith,
  signal,
  type ProcessIdentity,
} from './process-table.ts';

/** How long a server may take to end by itself, as a rule a few milliseconds; then its processes are killed. */
const killAfterMs = 500;
/** Past this a process that is left is in the hands of the kernel (a disk that hangs, say). */
const giveUpAfterMs = 2_000;
const checkEveryMs = 10;
/** For what is read from the data directory's disk. */
const readMs = 200;

/** What may be starting a server: `pg_ctl start` runs `sh -c 'exec …/postgres'`, which becomes the server. */
const starters: ReadonlySet<string> = new Set(['pg_ctl', 'postgres', 'sh', 'dash', 'bash']);
const startsServer = /\bpg_ctl"? .*\b(?:re)?start\b|\bpostgres"? /;

export interface Fenced {
  /** The postmaster that was stopped, or a process that had outlived it; null = nothing ran. */
  readonly pid: number | null;
  readonly killed: boolean;
  /** What may not be signalled, or does not go away; null = nothing runs there any more. */
  readonly trouble: string | null;
}

/**
 * Stops the server on the data directory `root` at once: every process of it is told to quit (SIGQUIT: an immediate stop),
 * so that no write is accepted from then on even if the postmaster hangs or is dead already, and is killed after half a second.
 * Then whatever is just starting one there goes, too. `known`: the postmaster as last seen, should the disk hang.
 */
export async function fence(root: string, known: ProcessIdentity | null): Promise<Fenced> {
  const seen = await within(readMs, postmasterOn(root), null);
  const first = await stop(root, seen ?? (known === null || !isAlive(known) ? null : known));
  const trouble = [first.trouble];
  for (const starter of startersOn(root)) trouble.push(attempt(starter, 'SIGKILL'));
  // One that had come up meanwhile.
  const second = await stop(root, await within(readMs, postmasterOn(root), null));
  return {
    pid: first.pid ?? second.pid,
    killed: first.killed || second.killed,
    trouble: [...trouble, second.trouble].find((text) => text !== null) ?? null,
  };
}

/** Whether something is about to run a server there. */
export function isBeingStarted(root: string): boolean {
  return startersOn(root).length > 0;
}

function startersOn(root: string): readonly ProcessIdentity[] {
  return processesOf(starters, (commandLine) => startsServer.test(commandLine) && commandLine.includes(root));
}

async function stop(root: string, postmaster: ProcessIdentity | null): Promise<Fenced> {
  const startedAtMs = performance.now();
  const told = new Map<number, ProcessIdentity>();
  let trouble: string | null = null;
  let killed = false;
  for (;;) {
    for (const each of processesOn(root, postmaster)) {
      if (told.has(each.pid)) continue;
      told.set(each.pid, each);
      trouble = attempt(each, 'SIGQUIT') ?? trouble;
    }
    const left = [...told.values()].filter(isAlive);
    const pid = postmaster?.pid ?? [...told.keys()][0] ?? null;
    if (left.length === 0) return { pid, killed, trouble: null };
    const tookMs = performance.now() - startedAtMs;
    if (tookMs > killAfterMs) {
      killed = true;
      for (const each of left) trouble = attempt(each, 'SIGKILL') ?? trouble;
    }
    if (tookMs > giveUpAfterMs) {
      const pids = left.map((each) => each.pid).join(', ');
      return { pid, killed, trouble: trouble ?? `still there although killed: ${pids}` };
    }
    await delay(checkEveryMs);
  }
}

/** Backends whose postmaster was killed go on until they have nothing to do; they are found by where they work. */
function processesOn(root: string, postmaster: ProcessIdentity | null): readonly ProcessIdentity[] {
  const alive = postmaster !== null && isAlive(postmaster) ? [postmaster, ...childrenOf(postmaster)] : [];
  return [...alive, ...processesIn(root, /postgres|postmaster/)];
}

/** What kept the signal from being sent; null = nothing did. */
function attempt(process: ProcessIdentity, name: NodeJS.Signals): string | null {
  try {
    signal(process, name);
    return null;
  } catch (error) {
    return processWith(process.pid) === null ? null : describeError(error);
  }
}
