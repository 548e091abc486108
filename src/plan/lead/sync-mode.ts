import type { Tags } from '../../domain/config.ts';
import type { SyncState } from '../../domain/lead.ts';
import type { ReplicationClient, ServerLook } from '../../domain/server.ts';
import { leadingTerm } from '../../view/lease.ts';
import { configOf, freshLook, sessionId } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act } from '../intent.ts';

/**
 * The key `sync` in synchronous mode: who may lead besides the leader. A standby is in it only while every commit that is
 * acknowledged is known to be there: it comes in after PostgreSQL waits for it and it has caught up with what was
 * acknowledged before, and it goes out before PostgreSQL stops to wait for it.
 */
export function planSync(view: View): readonly Intent[] {
  const session = sessionId(view);
  if (session === null || leadingTerm(view) === null) return [];
  const wanted = wantedSync(view);
  const before = view.consul.keys?.sync ?? null;
  const isSaid = before !== null && before.value !== null && wanted !== null && isSame(before.value, wanted);
  // A write over the same version settles what has become of an earlier one.
  if (wanted === null || (isSaid && view.memory.lead.syncAttempted === null)) return [];
  return [act({ kind: 'publish_sync', session, sync: wanted, index: before?.modifyIndex ?? 0, settles: isSaid })];
}

/**
 * Whether the key lets this leader accept writes: until it is promoted, and after that until its standbys are synchronous,
 * nobody else has what it acknowledges.
 */
export function isSyncReady(view: View): boolean {
  if (!configOf(view).lead.synchronousMode) return true;
  const sync = view.consul.keys?.sync?.value ?? null;
  return sync !== null && sync.leader === view.self.name && sync.standbys.length === 0;
}

/** What the key is to say next; null = it may stay as it is. */
function wantedSync(view: View): SyncState | null {
  const sync = view.consul.keys?.sync?.value ?? null;
  if (!configOf(view).lead.synchronousMode) {
    const isEmpty = sync === null || (sync.leader === null && sync.standbys.length === 0);
    return isEmpty && view.memory.lead.syncAttempted === null ? null : { leader: null, standbys: [] };
  }
  const alone: SyncState = { leader: view.self.name, standbys: [] };
  const look = freshLook(view);
  if (look === null) return sync?.leader === view.self.name ? null : alone;
  if (look.role === 'standby' || sync?.leader !== view.self.name) return alone;
  const wanted = wantedStandbys(view, look);
  const ready = wanted.filter((name) => isSynchronous(view, look, name));
  // Whoever is to be replaced but still streams has everything that is acknowledged, until its successor has it too.
  const kept = sync.standbys.filter((name) => !wanted.includes(name) && isStreaming(look, name));
  return { leader: view.self.name, standbys: [...ready, ...kept.slice(0, wanted.length - ready.length)] };
}

/**
 * `synchronous_standby_names`: whoever is, or may be, in the key, and whoever is to come into it. Null = the setting is somebody
 * else's. A server that is promoted in strict mode waits from its first commit on.
 */
export function synchronousNames(view: View): string | null {
  const { synchronousMode, synchronousModeStrict } = configOf(view).lead;
  const listed = [...listedStandbys(view), ...(view.memory.lead.syncAttempted?.standbys ?? [])];
  if (!synchronousMode && listed.length === 0) return null;
  const look = freshLook(view);
  const isLeading = leadingTerm(view) !== null && look?.role === 'primary';
  const wanted = synchronousMode && isLeading ? wantedStandbys(view, look) : [];
  const names = [...new Set([...listed, ...wanted])].sort();
  if (names.length === 0) return synchronousMode && synchronousModeStrict ? '*' : '';
  const quoted = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',');
  // Every one of them is waited for: any of them may be elected.
  return `${names.length} (${quoted})`;
}

/**
 * The standbys that are to be synchronous: by `sync_priority`, then those that are already, then the furthest; never more than are asked for, and none
 * that is too far behind the furthest one, or behind the leader where there is no other.
 */
function wantedStandbys(view: View, look: ServerLook): readonly string[] {
  const { synchronousNodeCount, maximumLagOnSyncnodeBytes } = configOf(view).lead;
  const listed = listedStandbys(view);
  const isAllowed = ({ applicationName, state }: ReplicationClient): boolean => {
    const key = view.consul.keys?.members.get(applicationName);
    return state === 'streaming' && key?.session != null && key.value !== null && !key.value.tags.nosync;
  };
  const allowed = look.replication.filter(isAllowed);
  const furthest = allowed.map(({ replayLsn }) => replayLsn ?? 0n).reduce((a, b) => (a > b ? a : b), 0n);
  const end = allowed.length > 1 ? furthest : (look.currentLsn ?? 0n);
  const isNear = ({ replayLsn }: ReplicationClient): boolean =>
    maximumLagOnSyncnodeBytes <= 0 || Number(end - (replayLsn ?? 0n)) <= maximumLagOnSyncnodeBytes;
  const tagsOf = ({ applicationName }: ReplicationClient): Tags | null =>
    view.consul.keys?.members.get(applicationName)?.value?.tags ?? null;
  /** Whoever can't be elected comes last, then the priority counts, and then who is synchronous already. */
  const isListed = ({ applicationName }: ReplicationClient): boolean =>
    listed.includes(applicationName) || view.memory.lead.synchronous.has(applicationName);
  const order = (a: ReplicationClient, b: ReplicationClient): number =>
    Number(tagsOf(a)?.nofailover === true) - Number(tagsOf(b)?.nofailover === true) ||
    (tagsOf(b)?.syncPriority ?? 1) - (tagsOf(a)?.syncPriority ?? 1) ||
    Number(isListed(b)) - Number(isListed(a));
  return allowed
    .filter(isNear)
    .toSorted((a, b) => {
      const [lsnA, lsnB] = [a.replayLsn ?? 0n, b.replayLsn ?? 0n];
      const byPosition = lsnA === lsnB ? 0 : lsnA > lsnB ? -1 : 1;
      return order(a, b) || byPosition || (a.applicationName < b.applicationName ? -1 : 1);
    })
    .slice(0, synchronousNodeCount)
    .map(({ applicationName }) => applicationName);
}

/** Whom the key was read to list under this leader. */
function listedStandbys({ consul: { keys }, self }: View): readonly string[] {
  const sync = keys?.sync?.value ?? null;
  return sync?.leader === self.name ? sync.standbys : [];
}

function isStreaming(look: ServerLook, name: string): boolean {
  return look.replication.some(({ applicationName, state }) => applicationName === name && state === 'streaming');
}

/** Whether PostgreSQL waits for the standby, and it has everything that was acknowledged before it did. */
function isSynchronous(view: View, look: ServerLook, name: string): boolean {
  if (listedStandbys(view).includes(name)) return true;
  const since = view.memory.lead.synchronous.get(name);
  const applied = view.memory.lead.applied?.synchronousStandbyNames ?? '';
  if (since === undefined || !applied.includes(`"${name.replaceAll('"', '""')}"`)) return false;
  return look.replication.some((row) => row.applicationName === name && (row.replayLsn ?? 0n) >= since);
}

function isSame(a: SyncState, b: SyncState): boolean {
  const names = ({ standbys }: SyncState): string => standbys.toSorted().join(',');
  return a.leader === b.leader && names(a) === names(b);
}
