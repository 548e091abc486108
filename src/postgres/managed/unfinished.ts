import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { UnfinishedWork } from '../../domain/disk.ts';
import { isMissing, renameDurably, syncDirectory, writeSynced } from '../durable-file.ts';
import type { Place } from './place.ts';
import { privateOwnership, type ServerUser } from './server-user.ts';
import { groupMembers, sendSignal, untilGone } from './system-process.ts';

const marker = z.object({ work: z.enum(['bootstrap', 'clone', 'rewind']) });

/**
 * Which work on the data was begun and did not come to its end; null = none. A mark that cannot be read counts as a
 * rewind: that is the work whose remains are not thrown away.
 */
export async function unfinishedWork(place: Place): Promise<UnfinishedWork | null> {
  const text = await readFile(place.unfinished, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return marker.parse(JSON.parse(text)).work;
  } catch {
    return 'rewind';
  }
}

/**
 * Marks the data as unfinished while `work` goes on. The mark goes when it has come to its end, and stays when it fails,
 * or nobody lives to see its end, unless nothing is left of it. `pidFile` is for the programs of the work.
 */
export async function asUnfinished<T>(
  place: Place,
  user: ServerUser,
  what: UnfinishedWork,
  work: (pidFile: string) => Promise<T>,
): Promise<T> {
  await mark(place, user, what);
  await writeSynced(place.program, '', privateOwnership(user));
  try {
    const result = await work(place.program);
    await unmark(place);
    return result;
  } catch (error) {
    // Programs clean up behind themselves; what a person puts there later is no work of ours.
    if (await isGone(place)) await unmark(place);
    throw error;
  }
}

async function isGone({ directory }: Place): Promise<boolean> {
  return (await readdir(directory.root).catch(() => ['?'])).length === 0;
}

export async function mark(place: Place, user: ServerUser, what: UnfinishedWork): Promise<void> {
  // The draft has a name of its own: one that a crash left behind is written over.
  const draft = `${place.unfinished}.tmp`;
  await writeSynced(draft, `${JSON.stringify({ work: what })}\n`, privateOwnership(user));
  await renameDurably(draft, place.unfinished);
}

export async function unmark(place: Place): Promise<void> {
  await rm(place.program, { force: true });
  await rm(place.unfinished, { force: true });
  await syncDirectory(dirname(place.unfinished));
}

/** How far the start of a process and the writing of its number may be apart. */
const sameMomentMs = 5_000;

/**
 * Ends the program that an earlier agent began and did not outlive: it would go on writing into data that is taken away, or
 * made anew. A process that took over its number began at another time.
 */
export async function endLeftProgram(place: Place, clock: Clock): Promise<void> {
  const group = Number((await readFile(place.program, 'utf8').catch(() => '')).trim());
  if (!Number.isInteger(group) || group <= 1) return;
  const members = await groupMembers(group);
  if (members.length === 0) return;
  const startedAtMs = await startOf(group);
  const writtenAtMs = (await stat(place.program)).mtimeMs;
  if (startedAtMs !== null && Math.abs(startedAtMs - writtenAtMs) > sameMomentMs) return;
  sendSignal(-group, 'SIGKILL');
  if (!(await untilGone(members, clock, 10_000))) {
    throw new Error(`process ${group}, which an earlier agent began on ${place.directory.root}, cannot be ended`);
  }
}

/** In milliseconds since 1970 (proc(5): in ticks since the system's start); null = it has ended, others of its group go on. */
async function startOf(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  const ticks = text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  const boot = /^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8').catch(() => ''))?.[1];
  if (ticks === undefined || boot === undefined) return null;
  const ticksPerSecond = 100;
  return (Number(boot) + Number(ticks) / ticksPerSecond) * 1_000;
}
