import { leaderName } from '../../domain/cluster.ts';
import type { TermOnDisk } from '../../domain/disk.ts';
import type { RemoteLine, Upstream } from '../../domain/lead.ts';
import type { ServerLook } from '../../domain/server.ts';
import { freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act } from '../intent.ts';
import type { LeaderLine } from './leader-line.ts';
import { remoteSource } from './source.ts';
import { remoteName, remoteUpstream, wantedUpstream } from './upstream.ts';

/** How long a standby may be without a stream before it is asked whether its WAL is the reason. */
const streamlessMs = 5_000;
/** What was read longer ago says nothing any more: another server may be the remote primary now. */
const holdsMs = 10_000;

/**
 * In a standby cluster it is the remote primary's WAL that every member's has to be part of: its own leader writes none, and
 * may have been a primary of its own before. It is asked for while that is in doubt.
 */
export function planRemoteLine(view: View): readonly Intent[] {
  const remote = remoteSource(view);
  const systemIdentifier = freshLook(view)?.systemIdentifier ?? identifierOnDisk(view);
  if (remote === null || systemIdentifier === null || remoteLine(view) !== null) return [];
  return isInDoubt(view) ? [act({ kind: 'read_line', source: remote.source, systemIdentifier })] : [];
}

/** The line of the remote primary, and what else it said of it. */
export interface RemoteLeaderLine extends LeaderLine, Pick<RemoteLine, 'isPrimary' | 'beganHere'> {}

/** The remote primary's line, as read a moment ago; null = it was not, or there is none. */
export function remoteLine(view: View): RemoteLeaderLine | null {
  const read = view.memory.lead.remoteLine;
  if (read === null || remoteUpstream(view) === null || view.nowMs - read.atMs >= holdsMs) return null;
  const { timeline, switches, isPrimary, beganHere } = read.line;
  const ends = new Map(switches.map((end) => [end.timeline, end.lsn] as const));
  return { leader: remoteName, timeline, ends, from: switches.at(-1)?.lsn ?? null, isPrimary, beganHere };
}

/**
 * Why data may be of another line although its timelines look right: a leader of this cluster wrote it on a timeline whose
 * number the remote primary took for its own, perhaps at the same place. Null = nothing says so.
 */
export function takenTwice(view: View, remote: RemoteLeaderLine, onDisk: TermOnDisk | null): string | null {
  if (onDisk?.member !== view.self.name || !remote.isPrimary) return null;
  const own = view.consul.keys?.terms?.value?.find(({ term }) => term === onDisk.term) ?? null;
  return own?.timeline !== remote.timeline
    ? null
    : `it was written on timeline ${own.timeline} under term ${own.term}, and the remote primary wrote another timeline ${own.timeline}`;
}

/** Whether data that is not read from now waits for that line: once it could not be had, there is nothing to wait for. */
export function awaitsRemoteLine(view: View): boolean {
  const isAsked = remoteUpstream(view) !== null && isInDoubt(view) && !view.failures.has('read_line');
  return isAsked && remoteLine(view) === null;
}

/** Whether a standby has had no stream for so long that its WAL may be the reason. */
export function isLongStreamless(view: View): boolean {
  const { streamlessSinceMs } = view.memory.lead;
  return streamlessSinceMs !== null && view.nowMs - streamlessSinceMs >= streamlessMs;
}

/** Before it is started, before it streams from another server than until now, and when it gets no stream. */
export function isInDoubt(view: View): boolean {
  const look = freshLook(view);
  const { keys } = view.consul;
  if (look === null) return view.local.trouble === 'not_running' && view.local.disk?.kind === 'cluster';
  if (look.role !== 'standby' || keys === null || leaderName(keys) === null) return false;
  return isLongStreamless(view) || isToFollowAnother(look, wantedUpstream(view));
}

/** Whether a standby's own settings have it stream from elsewhere, or through another slot. */
export function isToFollowAnother({ settings }: ServerLook, upstream: Upstream | null): boolean {
  const { upstreamHost, upstreamPort, primarySlotName } = settings;
  if (upstream === null) return false;
  const isThere = upstreamHost === upstream.host && (upstreamPort ?? 5432) === upstream.port;
  return !isThere || primarySlotName !== (upstream.slot ?? '');
}

function identifierOnDisk({ local: { disk } }: View): string | null {
  return disk?.kind === 'cluster' ? disk.control.systemIdentifier : null;
}
