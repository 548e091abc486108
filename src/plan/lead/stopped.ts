import { leaderName } from '../../domain/cluster.ts';
import type { DiskState } from '../../domain/disk.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { boundBecause } from '../../view/failsafe.ts';
import { hasLeaseLeft, leadingTerm } from '../../view/lease.ts';
import { holdsLeader } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { foreignBecause } from '../refusal.ts';
import { planEmpty } from './empty.ts';
import { isMendable, planDiverged } from './diverged.ts';
import { standingOnDisk, termConflict } from './line.ts';
import { releaseBecause } from './release.ts';
import { isListed } from './terms.ts';
import { isMadeElsewhere, upstreamMissing } from './upstream.ts';

type Cluster = Extract<DiskState, { kind: 'cluster' }>;

/** What is done with a data directory on which no server runs. */
export function planStopped(view: View, disk: DiskState, plan: ServerPlan): readonly Intent[] {
  if (view.consul.keys === null) return [hold('server', 'Consul has not answered yet')];
  switch (disk.kind) {
    case 'foreign':
      return [hold('server', `the data directory holds something else (${disk.what})`)];
    case 'unfinished':
      return [act({ kind: 'remove_data', why: `a ${disk.what} was not finished` })];
    case 'empty':
      return planEmpty(view, plan);
    case 'cluster': {
      const refusal = foreignBecause(view, disk.control.systemIdentifier);
      const isVain = hasOnlyBootstrapped(view) && disk.term === null;
      if (refusal !== null) return isVain ? [act({ kind: 'remove_data', why: vain })] : [hold('server', refusal)];
      return isVain && isMadeElsewhere(view) ? [hold('server', beingMade)] : planCluster(view, disk, plan);
    }
  }
}

export const vain = 'it was made in vain: another member has made the cluster';
export const beingMade = 'another member makes the cluster';

/**
 * The data was made here, and nobody ever led with it. Where it is another cluster's than the scope's, its agent stood still, was
 * started again, or had lost Consul meanwhile; whatever else belongs to another cluster is left alone.
 */
export function hasOnlyBootstrapped({ consul: { keys }, memory: { lead }, self }: View): boolean {
  const hasLed = lead.recordedTerm !== null || keys?.terms?.value?.some(({ leader }) => leader === self.name) === true;
  return lead.isUnled && !hasLed;
}

function planCluster(view: View, disk: Cluster, plan: ServerPlan): readonly Intent[] {
  const { keys } = view.consul;
  const leader = keys === null ? null : leaderName(keys);
  const asStandby = act({ kind: 'start_server', plan, term: null });
  if (holdsLeader(view)) return planLeaders(view, disk, plan);
  // Once its own lease is over, nobody can be followed until Consul is back, but it can be read from meanwhile.
  const isOver = view.memory.lead.deposed?.term === keys?.leader?.modifyIndex;
  if (leader === view.self.name && !isOver)
    return [hold('server', 'an earlier run of this agent still holds the leader key')];
  if (leader === null || leader === view.self.name) {
    // It waits for somebody to compare itself with: as a leader it would undo what was written after it.
    const conflict = termConflict(view, disk.term, disk.control.systemIdentifier);
    return conflict === null ? [asStandby] : [hold('server', `there is no leader, and ${conflict}`)];
  }
  return planStandby(view, disk, plan);
}

/** Data that is to follow somebody. A standby cluster is read from also where nothing brings it back to the remote primary. */
function planStandby(view: View, disk: Cluster, plan: ServerPlan): readonly Intent[] {
  const standing = standingOnDisk(view, disk);
  if (standing.kind === 'unknown') return [hold('server', standing.why)];
  const isLeft = standbyClusterOf(view) !== null && !isMendable(view);
  if (standing.kind === 'diverged' && !isLeft) return planDiverged(view, disk, standing);
  const why = upstreamMissing(view, plan);
  return why === null ? [act({ kind: 'start_server', plan, term: null })] : [hold('server', why)];
}

/** The leader's own server, which crashed, or was stopped by somebody: back on the same timeline, in the same term. */
function planLeaders(view: View, disk: Cluster, plan: ServerPlan): readonly Intent[] {
  const term = leadingTerm(view);
  if (term === null || releaseBecause(view) !== null) return [];
  if (standbyClusterOf(view) !== null) return planStandby(view, disk, plan);
  if (disk.isStandby) return [act({ kind: 'start_server', plan, term: null })];
  if (!isListed(view, term)) return [hold('server', `term ${term} is not listed yet`)];
  const bound = boundBecause(view) ?? (hasLeaseLeft(view) ? null : 'too little is left of the lease');
  if (bound !== null) return [hold('server', bound)];
  return [act({ kind: 'start_server', plan, term })];
}
