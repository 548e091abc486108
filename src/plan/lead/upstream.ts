import { leaderName } from '../../domain/cluster.ts';
import type { Upstream } from '../../domain/lead.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { slotNameFromMemberName } from '../../domain/slot.ts';
import { addressOf, downstreamOf, holdsLeader, ownUpstream } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import { clusterPostgresOf } from './cluster-postgres.ts';

/** Stands for the other cluster's primary where a member's name is asked for. */
export const remoteName = 'standby_cluster';

/** How this server would stream from the member; null = its key does not say where it is reached. */
export function upstreamAt(view: View, member: string): Upstream | null {
  const key = view.consul.keys?.members.get(member);
  const address = key === undefined ? null : addressOf(key);
  if (address === null) return null;
  const slot = clusterPostgresOf(view).useSlots ? slotNameFromMemberName(view.self.name) : null;
  return { member, host: address.host, port: address.port, slot };
}

/** The primary of the cluster that this one is a standby of; null = it is none, or only has an archive. */
export function remoteUpstream(view: View): Upstream | null {
  const remote = standbyClusterOf(view);
  if (remote === null || (remote.host === null && remote.port === null)) return null;
  return {
    member: remoteName,
    host: remote.host ?? 'localhost',
    port: remote.port ?? 5432,
    slot: remote.primarySlotName,
  };
}

/** Whom this server is to stream from: its tag's member while that runs, else the leader; null = nobody. */
export function wantedUpstream(view: View): Upstream | null {
  const { keys } = view.consul;
  const { name, tags } = view.self;
  if (keys === null || tags.nostream) return null;
  if (holdsLeader(view)) return remoteUpstream(view);
  const leader = leaderName(keys);
  const from = tags.replicatefrom;
  if (from !== null && from !== name && from !== leader && isRunning(view, from)) {
    const isCircle = downstreamOf(keys, name).includes(from);
    const upstream = isCircle ? null : upstreamAt(view, from);
    if (upstream !== null) return upstream;
  }
  // Between two leaders, everybody stays where it is; whoever makes a standby cluster is its first leader.
  const kept = view.memory.lead.applied?.upstream ?? presentUpstream(view);
  if (leader === null) return kept ?? (isInitializing(view) ? remoteUpstream(view) : null);
  return leader === name ? kept : (upstreamAt(view, leader) ?? kept);
}

/** From where the standby streams by its own settings, as last seen: what an earlier run of the agent has written. */
function presentUpstream(view: View): Upstream | null {
  const { look } = view.local;
  if (look?.role !== 'standby') return null;
  const { upstreamHost: host, upstreamPort, primarySlotName } = look.settings;
  if (host === null || host === '') return null;
  const slot = primarySlotName === '' ? null : primarySlotName;
  return { member: ownUpstream(view) ?? host, host, port: upstreamPort ?? 5432, slot };
}

/** Why a standby is not started (again): it would be told to stream from nobody although somebody leads; null = it may be. */
export function upstreamMissing(view: View, { upstream }: ServerPlan): string | null {
  const leader = view.consul.keys === null ? null : leaderName(view.consul.keys);
  if (upstream !== null || view.self.tags.nostream || leader === null || leader === view.self.name) return null;
  return `${leader}, the leader, has not said yet where it is reached`;
}

/** Whether this member holds the lock on `initialize`: it is making the cluster. */
export function isInitializing(view: View): boolean {
  const initialize = view.consul.keys?.initialize ?? null;
  return initialize?.session != null && view.session.kind === 'held' && initialize.session === view.session.id;
}

/** Whether another member holds it. */
export function isMadeElsewhere(view: View): boolean {
  return view.consul.keys?.initialize?.session != null && !isInitializing(view);
}

/** Whether the member is alive by its session and says that its server runs. */
export function isRunning(view: View, member: string): boolean {
  const key = view.consul.keys?.members.get(member);
  return key !== undefined && key.session !== null && key.value?.state === 'running';
}
