import { leaderName } from '../../domain/cluster.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { holdsLeader, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { cloneSource, remoteSource } from './source.ts';
import { isInitializing, isRunning } from './upstream.ts';

/** A bootstrap that failed leaves the next attempt to others for this long. */
const failedForMs = 10_000;

/** Where there is no data: a cluster is made of it, by whoever gets the lock on `initialize`, or a copy of the leader's. */
export function planEmpty(view: View, plan: ServerPlan): readonly Intent[] {
  const { keys } = view.consul;
  const session = sessionId(view);
  if (keys === null || session === null) return [hold('server', 'there is no Consul session')];
  if (isInitializing(view)) return planBootstrap(view, session, plan);
  if (leadsAloneBesideRemote(view)) return planRemoteClone(view);
  if (leaderName(keys) !== null) return planClone(view);
  if (keys.initialize !== null) {
    const why = keys.initialize.session === null ? cannotRestore(view) : 'another member makes the cluster';
    return [why === null ? act({ kind: 'restore_data' }) : hold('server', why)];
  }
  if (view.self.managed?.canBootstrap !== true)
    return [hold('server', 'there is no cluster yet, and this agent may make none')];
  const there = dataElsewhere(view);
  if (there !== null) return [hold('server', there)];
  const failed = failedLately(view);
  if (failed !== null) return [hold('server', `its bootstrap failed: ${failed}`)];
  return [act({ kind: 'claim_initialize', session })];
}

/**
 * Whether the leader of a standby cluster that has no data keeps the key, and copies the remote primary: nobody else has a
 * server to lead with.
 */
export function leadsAloneBesideRemote(view: View): boolean {
  const others = [...(view.consul.keys?.members.keys() ?? [])].filter((name) => name !== view.self.name);
  return holdsLeader(view) && remoteSource(view) !== null && !others.some((name) => isRunning(view, name));
}

/** Why no cluster is made although `initialize` says that there is none: a new one would keep the data that is there out. */
function dataElsewhere(view: View): string | null {
  const { keys } = view.consul;
  if ((keys?.terms?.value ?? []).length > 0) return 'there has been a cluster: a member with its data is waited for';
  const owner = [...(keys?.members ?? [])].find(
    ([name, key]) => name !== view.self.name && key.session !== null && key.value?.extras?.systemIdentifier != null,
  );
  return owner === undefined ? null : `${owner[0]} has the data of a cluster`;
}

/** Why the data is not taken from a backup while there is nobody to copy; null = it is. */
function cannotRestore(view: View): string | null {
  if (view.self.managed?.canRestore !== true) return 'there is no leader to copy from';
  // By that key it passes for a server that has every acknowledged commit, which no backup has (L9).
  const sync = view.consul.keys?.sync?.value ?? null;
  const isListed = sync !== null && [sync.leader, ...sync.standbys].includes(view.self.name);
  return isListed ? 'there is no leader to copy from, and the key sync counts on the data that this member had' : null;
}

/** A standby cluster begins as a copy of the remote primary. */
function planBootstrap(view: View, session: string, plan: ServerPlan): readonly Intent[] {
  const kind = creationKind(view);
  if (failedLately(view) !== null) return [act({ kind: 'give_up_initialize', session })];
  if (kind === 'bootstrap') return [act({ kind: 'bootstrap', session, plan })];
  return planRemoteClone(view);
}

function planRemoteClone(view: View): readonly Intent[] {
  const source = remoteSource(view);
  if (source === null) return [hold('server', 'standby_cluster names no host to copy from')];
  return [act({ kind: 'clone', ...source, methods: standbyClusterOf(view)?.createReplicaMethods ?? [] })];
}

function failedLately(view: View): string | null {
  const failure = view.failures.get(creationKind(view));
  return failure !== undefined && view.nowMs - failure.lastAtMs < failedForMs ? failure.message : null;
}

function creationKind(view: View): 'clone' | 'bootstrap' {
  return standbyClusterOf(view) === null ? 'bootstrap' : 'clone';
}

function planClone(view: View): readonly Intent[] {
  const source = cloneSource(view);
  if (source === null) return [hold('server', 'it waits for the server of the leader, to copy it')];
  return [act({ kind: 'clone', ...source, methods: [] })];
}
