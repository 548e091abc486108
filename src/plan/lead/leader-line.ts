import { leaderName } from '../../domain/cluster.ts';
import type { Lsn } from '../../domain/lsn.ts';
import type { View } from '../../view/view.ts';

/** The line of WAL that the leader writes: its timeline, and where each earlier one of that line ends. */
export interface LeaderLine {
  readonly leader: string;
  readonly timeline: number;
  readonly ends: ReadonlyMap<number, Lsn>;
  /** Where its timeline begins; null = on timeline 1, or not known. */
  readonly from: Lsn | null;
}

/** What the leader's WAL is like, or why that is not known (yet). */
export function leaderLine(view: View): LeaderLine | string {
  const { keys } = view.consul;
  const leader = keys === null ? null : leaderName(keys);
  if (keys === null || leader === null) return 'there is no leader';
  const listed = keys.terms?.value?.find(({ term }) => term === keys.leader?.modifyIndex) ?? null;
  const timeline = listed?.timeline ?? null;
  if (timeline === null) return `${leader}, the leader, has not said yet on which timeline it writes`;
  const history = keys.history?.value ?? [];
  const last = history.at(-1);
  const from = listed?.from ?? null;
  const isComplete = timeline === 1 || (last !== undefined && last.timeline < timeline);
  if (!isComplete || (from !== null && last?.lsn !== from))
    return `the history of timeline ${timeline} is not there yet`;
  const ends = history
    .filter((entry) => entry.timeline < timeline)
    .map((entry) => [entry.timeline, entry.lsn] as const);
  return { leader, timeline, ends: new Map(ends), from };
}
