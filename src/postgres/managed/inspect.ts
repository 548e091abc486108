import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { shorten } from '../../base/printable.ts';
import type { ControlData, DiskState } from '../../domain/disk.ts';
import type { TimelineSwitch } from '../../domain/local.ts';
import { type DataDirectory, historyFileName } from '../data-directory.ts';
import { isMissing } from '../durable-file.ts';
import { switchesIn } from '../sql/timeline-history.ts';
import { parseControlData } from './control-data.ts';
import type { ManagedWork } from './managed-work.ts';
import { ownPrefix } from './place.ts';
import { inEnglish, programFile, runProgram } from './program.ts';
import { isStandbyOnDisk, majorOnDisk } from './recovery-signal.ts';
import { readLed } from './term-file.ts';
import { unfinishedWork } from './unfinished.ts';

/** What is where the server's data belongs. Throws when it cannot be told, which never means that nothing is there. */
export async function inspect(work: ManagedWork, signal: AbortSignal): Promise<DiskState> {
  const { settings, place } = work;
  const { directory } = place;
  const names = await namesIn(directory.root);
  if (names.length === 0) return { kind: 'empty' };
  const unfinished = await unfinishedWork(place);
  if (unfinished !== null) return { kind: 'unfinished', what: unfinished };
  if (names.every((name) => name.startsWith(ownPrefix))) return { kind: 'empty' };
  const major = await majorOnDisk(directory);
  if (major === null) return { kind: 'foreign', what: names.slice(0, 3).map(shorten).join(', ') };
  const control = await controlData(work, signal);
  return {
    kind: 'cluster',
    control,
    isStandby: await isStandbyOnDisk(directory, major),
    ...(await readLed(directory, settings.member)),
    switches: (await historyOf(directory, timelineOf(control))).map(({ timeline, lsn }) => ({ timeline, lsn })),
  };
}

export async function controlData(work: ManagedWork, signal: AbortSignal): Promise<ControlData> {
  return parseControlData(await controlText(work, signal));
}

/** What pg_controldata prints, in English. */
export function controlText({ settings, place, user }: ManagedWork, signal: AbortSignal): Promise<string> {
  const file = programFile(settings, 'pg_controldata');
  const program = { file, args: [place.directory.root], user, environment: inEnglish };
  return runProgram(program, settings.clock, signal);
}

/**
 * The timeline that the server was on. After a promotion the checkpoint is of the old one until the next is done, while the
 * end of recovery is already of the new one.
 */
function timelineOf(control: ControlData): number {
  return Math.max(control.timeline, control.minRecoveryEndTimeline ?? 0);
}

/** Names in a directory; none where there is no directory. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export async function historyOf(directory: DataDirectory, timeline: number): Promise<readonly TimelineSwitch[]> {
  try {
    return switchesIn(await readFile(join(directory.wal, historyFileName(timeline)), 'utf8'));
  } catch (error) {
    // The first timeline has none.
    if (isMissing(error)) return [];
    throw error;
  }
}
