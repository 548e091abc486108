import { backoffMs, fractionOf, type BackoffPolicy } from '../../base/backoff.ts';
import { leaderName } from '../../domain/cluster.ts';
import type { DiskState } from '../../domain/disk.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { clusterPostgresOf } from './cluster-postgres.ts';
import type { Standing } from './line.ts';
import { leaderSource, remoteSource } from './source.ts';

type Cluster = Extract<DiskState, { kind: 'cluster' }>;
type Diverged = Extract<Standing, { kind: 'diverged' }>;

/** What becomes of data that the leader's line does not hold: back to where it branched off, or a fresh copy. */
export type Remedy = { readonly kind: 'rewind' | 'remove' } | { readonly kind: 'nothing'; readonly why: string };

/** After a rewind that ended well and did not let the server stream: the next one may do no better. */
const again: BackoffPolicy = { firstMs: 10_000, factor: 2, maxMs: 600_000 };

export function remedyFor(view: View, disk: Cluster, { isAmbiguous }: Diverged): Remedy {
  const { usePgRewind, removeDataOnRewindFailure, removeDataOnDivergedTimelines } = clusterPostgresOf(view);
  // pg_rewind goes by the timelines, which are what can't be believed here.
  if (isAmbiguous) return { kind: 'remove' };
  const canRewind = usePgRewind && disk.control.isRewindable;
  if (canRewind && !(view.failures.has('rewind') && removeDataOnRewindFailure)) return { kind: 'rewind' };
  if (canRewind || removeDataOnDivergedTimelines) return { kind: 'remove' };
  const why = usePgRewind ? 'pg_rewind needs data checksums or wal_log_hints' : 'use_pg_rewind is off';
  return { kind: 'nothing', why };
}

/** Whether anything would be done about data that goes another way than the leader's line. */
export function isMendable(view: View): boolean {
  const { usePgRewind, removeDataOnDivergedTimelines } = clusterPostgresOf(view);
  return usePgRewind || removeDataOnDivergedTimelines;
}

/** Nothing is taken away before there is somebody to get it back from. */
export function planDiverged(view: View, disk: Cluster, standing: Diverged): readonly Intent[] {
  const remedy = remedyFor(view, disk, standing);
  if (remedy.kind === 'nothing') return [hold('server', `${standing.why}; ${remedy.why}: slotkeeper reinit`)];
  const source = standbyClusterOf(view) === null ? leaderSource(view) : remoteSource(view);
  const leader = view.consul.keys === null ? null : leaderName(view.consul.keys);
  if (source === null) return [hold('server', `${standing.why}; the server of ${leader ?? '?'} does not run yet`)];
  if (remedy.kind === 'remove') return [act({ kind: 'remove_data', why: standing.why })];
  const { rewound } = view.memory.lead;
  const notBeforeMs = rewound === null ? 0 : rewound.atMs + backoffMs(again, rewound.count, fractionOf(view.self.name));
  if (view.nowMs < notBeforeMs) return [hold('server', `it was rewound in vain, and is again later; ${standing.why}`)];
  return [act({ kind: 'rewind', ...source })];
}
