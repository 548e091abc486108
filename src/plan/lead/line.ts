import type { DiskState, TermOnDisk } from '../../domain/disk.ts';
import type { Term } from '../../domain/lead.ts';
import type { Lsn } from '../../domain/lsn.ts';
import { formatLsn } from '../../domain/lsn.ts';
import { freshLook } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { LeaderLine } from './leader-line.ts';
import { leaderLine } from './leader-line.ts';
import { awaitsRemoteLine, remoteLine, takenTwice } from './remote-line.ts';

/** How a server's WAL stands to the leader's line. `unknown` passes: what is missing is on its way. */
export type Standing =
  | { readonly kind: 'on_it' }
  | { readonly kind: 'unknown'; readonly why: string }
  /** `isAmbiguous`: what timelines say of it can't be believed, so that pg_rewind would go wrong as well. */
  | { readonly kind: 'diverged'; readonly why: string; readonly isAmbiguous: boolean };

type Cluster = Extract<DiskState, { kind: 'cluster' }>;

/** Whether the data on disk may be followed with (L7). */
export function standingOnDisk(view: View, disk: Cluster): Standing {
  if (standbyClusterOf(view) !== null) {
    const remote = remoteLine(view);
    if (remote !== null) {
      const conflict = takenTwice(view, remote, disk.term);
      return conflict === null
        ? standingTo(remote, view, disk)
        : { kind: 'diverged', why: conflict, isAmbiguous: true };
    }
    const why = 'it is not known yet whether the remote primary has all that was written here';
    return awaitsRemoteLine(view) ? { kind: 'unknown', why } : { kind: 'on_it' };
  }
  const conflict = termConflict(view, disk.term, disk.control.systemIdentifier);
  if (conflict !== null) return { kind: 'diverged', why: conflict, isAmbiguous: true };
  const line = leaderLine(view);
  return typeof line === 'string' ? { kind: 'unknown', why: line } : standingTo(line, view, disk);
}

function standingTo(line: LeaderLine, view: View, disk: Cluster): Standing {
  const timeline = timelineOf(view, disk);
  const end = endOn(line, timeline);
  const began = disk.switches.at(-1)?.lsn ?? null;
  // Another server took the same number for another timeline: pg_rewind, which goes by the number, would find nothing to do.
  if (end === 'open' && began !== null && line.from !== null && began !== line.from)
    return { ...elsewhere(timeline, line), isAmbiguous: true };
  if (end === 'open') return { kind: 'on_it' };
  if (end === 'elsewhere') return elsewhere(timeline, line);
  return beyond(endOfWal(view, disk), timeline, end, line);
}

/** The same for a standby that runs. */
export function standingOfStandby(view: View, timeline: number, position: Lsn): Standing {
  const remote = remoteLine(view);
  const line = standbyClusterOf(view) === null ? leaderLine(view) : (remote ?? 'the remote line is not known');
  if (remote?.timeline === timeline && remote.beganHere !== null && remote.beganHere !== remote.from)
    return { ...elsewhere(timeline, remote), isAmbiguous: true };
  if (typeof line === 'string') return { kind: 'unknown', why: line };
  const end = endOn(line, timeline);
  if (end === 'open') return { kind: 'on_it' };
  return end === 'elsewhere'
    ? elsewhere(timeline, line)
    : beyond({ lsn: position, isOpen: false }, timeline, end, line);
}

/**
 * Why the data was written under a term that a later one does not build on, although the timelines may look right: both
 * leaders may have taken the same timeline's number, and the same place for its beginning. Null = nothing says so.
 */
export function termConflict(view: View, onDisk: TermOnDisk | null, systemIdentifier: string): string | null {
  const terms = view.consul.keys?.terms?.value ?? [];
  // Data that was copied from another member by hand brings its file along.
  const isOwn = onDisk?.member === view.self.name && onDisk.systemIdentifier === systemIdentifier;
  if (onDisk === null || !isOwn || terms.length === 0) return null;
  const own = terms.find(({ term }) => term === onDisk.term);
  if (own === undefined) return `it was written under term ${onDisk.term}, which is not listed`;
  return supersededBecause(view, own, terms);
}

/**
 * The same for a former primary that runs as a standby: it was started while nobody led, and cannot be told from its WAL. That
 * its term is not listed is no reason here: a list that was lost must not cost every standby its data.
 */
export function conflictOfStandby(view: View): string | null {
  const { writtenUnder } = view.memory.lead;
  if (writtenUnder === null || freshLook(view)?.role !== 'standby' || standbyClusterOf(view) !== null) return null;
  const terms = view.consul.keys?.terms?.value ?? [];
  const own = terms.find(({ term }) => term === writtenUnder.term);
  const isOwn = writtenUnder.member === view.self.name;
  return own === undefined || !isOwn ? null : supersededBecause(view, own, terms);
}

function supersededBecause(view: View, own: Term, terms: readonly Term[]): string | null {
  const others = terms.filter(({ term, leader }) => term > own.term && leader !== view.self.name);
  if (own.timeline === null && others.length > 0)
    return `it was written under term ${own.term}, of which no timeline was listed before ${others[0]?.leader ?? '?'} led`;
  const same = others.find(({ timeline }) => timeline === own.timeline);
  return same === undefined || own.timeline === null
    ? null
    : `it was written on timeline ${own.timeline} under term ${own.term}, and ${same.leader} wrote another timeline ${own.timeline}`;
}

/** The newest timeline that the data has; a promotion is in the history file before any checkpoint says so. */
function timelineOf(view: View, { control, switches, term }: Cluster): number {
  const listed = view.consul.keys?.terms?.value?.find((entry) => entry.term === term?.term)?.timeline ?? 1;
  const afterSwitch = (switches.at(-1)?.timeline ?? 0) + 1;
  return Math.max(control.timeline, control.minRecoveryEndTimeline ?? 1, afterSwitch, listed);
}

interface EndOfWal {
  readonly lsn: Lsn;
  /** More may have been written than is known. */
  readonly isOpen: boolean;
}

function endOfWal(view: View, { control, isStandby, term }: Cluster): EndOfWal {
  const { state, checkpointLsn, minRecoveryEndLsn } = control;
  // A fresh copy has the control file of the server that it was taken from, but no term.
  const isStandbys = isStandby && (term === null || state.includes('recovery')) && state !== 'in crash recovery';
  if (!isStandbys) return { lsn: checkpointLsn + 1n, isOpen: state !== 'shut down' };
  const { look } = view.local;
  const seen = look?.role === 'standby' && look.timeline === control.timeline ? (look.replayedLsn ?? 0n) : 0n;
  const known = [seen, minRecoveryEndLsn ?? 0n, checkpointLsn + 1n];
  return { lsn: known.reduce((a, b) => (a > b ? a : b)), isOpen: false };
}

function endOn(line: LeaderLine, timeline: number): Lsn | 'open' | 'elsewhere' {
  return timeline === line.timeline ? 'open' : (line.ends.get(timeline) ?? 'elsewhere');
}

function elsewhere(timeline: number, line: LeaderLine): Extract<Standing, { kind: 'diverged' }> {
  const why = `its timeline ${timeline} is none of those that timeline ${line.timeline} of ${line.leader} came from`;
  return { kind: 'diverged', why, isAmbiguous: false };
}

function beyond(own: EndOfWal, timeline: number, end: Lsn, line: LeaderLine): Standing {
  if (!own.isOpen && own.lsn <= end) return { kind: 'on_it' };
  const where = `timeline ${timeline} after ${formatLsn(end)}, where ${line.leader} left it`;
  const why = own.isOpen ? `it crashed, and may have written on ${where}` : `it has WAL on ${where}`;
  return { kind: 'diverged', why, isAmbiguous: false };
}
