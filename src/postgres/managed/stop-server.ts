import type { Clock } from '../../base/clock.ts';
import { type DataDirectory, postmasterPid } from '../data-directory.ts';
import { ServerError } from '../port.ts';
import { pause } from './pause.ts';
import { childrenOf, sendSignal, titleOf, untilGone } from './system-process.ts';

const pauseMs = 10;
/** How long a fast stop waits for logical walsenders, whose consumers may be slow or gone. */
const logicalSendersMs = 1_000;
/** And for those of standbys, which are to get the last of the WAL; a standby that lives confirms it in milliseconds. */
const otherSendersMs = 10_000;
/** How long a server may take to end at once before it is killed. */
const immediateMs = 2_000;
const killedMs = 10_000;

/**
 * Fast: clients are cut off, a checkpoint is written, standbys get all WAL. A walsender that keeps the server from ending is
 * terminated, except those of standbys (`physical`, by process id; null = not known which they are) for a while.
 */
export async function stopFast(
  directory: DataDirectory,
  physical: ReadonlySet<number> | null,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const pid = await postmasterPid(directory);
  if (pid === null) return;
  signal.throwIfAborted();
  sendSignal(pid, 'SIGINT');
  const beganAtMs = clock.monotonicMs();
  while ((await postmasterPid(directory)) === pid) {
    if (signal.aborted) throw new ServerError('stop the server: given up; it goes on ending', 'timeout', null);
    const waitedMs = clock.monotonicMs() - beganAtMs;
    const spared = waitedMs > otherSendersMs ? new Set<number>() : physical;
    if (waitedMs > logicalSendersMs && spared !== null) await endWalsenders(pid, spared);
    await pause(clock, waitedMs > logicalSendersMs ? 10 * pauseMs : pauseMs, signal);
  }
}

async function endWalsenders(postmaster: number, spared: ReadonlySet<number>): Promise<void> {
  for (const child of await childrenOf(postmaster)) {
    // A process that was ended already takes no notice of another request.
    if (!spared.has(child) && /\bwalsender\b/.test(await titleOf(child))) sendSignal(child, 'SIGTERM');
  }
}

/**
 * At once, at the price of a crash recovery. A server that does not end by itself, because it hangs or is stopped, is killed
 * with all its processes: backends that lose their postmaster would go on with what they are at.
 */
export async function stopImmediately(directory: DataDirectory, clock: Clock): Promise<void> {
  const pid = await postmasterPid(directory);
  if (pid === null) return;
  sendSignal(pid, 'SIGQUIT');
  const children = await childrenOf(pid);
  if (await untilGone([pid, ...children], clock, immediateMs)) return;
  // Stopped first, so that it has no child that is not known.
  sendSignal(pid, 'SIGSTOP');
  const all = [...new Set([pid, ...children, ...(await childrenOf(pid))])];
  for (const each of all) sendSignal(each, 'SIGKILL');
  if (await untilGone(all, clock, killedMs)) return;
  throw new ServerError(`stop the server: process ${pid} or one of its children cannot be killed`, 'other', null);
}
