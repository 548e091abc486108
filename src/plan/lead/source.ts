import { leaderName } from '../../domain/cluster.ts';
import type { Upstream } from '../../domain/lead.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import { isRunning, remoteUpstream, upstreamAt } from './upstream.ts';

/** A server to copy from, and its connection URL. */
export interface Source {
  readonly source: Upstream;
  readonly url: string;
}

/** The leader's server; null = it does not run (as a primary) yet. */
export function leaderSource(view: View): Source | null {
  const { keys } = view.consul;
  const leader = keys === null ? null : leaderName(keys);
  if (leader === null || leader === view.self.name || !isRunning(view, leader)) return null;
  const role = keys?.members.get(leader)?.value?.role ?? null;
  const isLeading = role === 'primary' || (standbyClusterOf(view) !== null && role === 'standby_leader');
  return isLeading ? sourceAt(view, leader) : null;
}

/** The remote primary of a standby cluster; null = there is none, or its host is not known. */
export function remoteSource(view: View): Source | null {
  const source = remoteUpstream(view);
  return source === null ? null : { source, url: `postgres://${hostIn(source.host)}:${source.port}/postgres` };
}

/** A running standby that is tagged for it, so that the leader is spared; else the leader; null = nobody yet. */
export function cloneSource(view: View): Source | null {
  const leader = leaderSource(view);
  if (leader === null || view.memory.requests.reinitialize?.fromLeader === true) return leader;
  for (const [name, key] of view.consul.keys?.members ?? []) {
    const isOffered = key.value?.tags.clonefrom === true && key.value.role === 'replica';
    if (!isOffered || name === view.self.name || !isRunning(view, name)) continue;
    const source = sourceAt(view, name);
    if (source !== null) return source;
  }
  return leader;
}

function hostIn(host: string): string {
  return host.includes(':') ? `[${host}]` : encodeURIComponent(host);
}

function sourceAt(view: View, member: string): Source | null {
  const source = upstreamAt(view, member);
  const url = view.consul.keys?.members.get(member)?.value?.connUrl ?? null;
  return source === null || url === null ? null : { source, url };
}
