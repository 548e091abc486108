import { leaderName } from '../domain/cluster.ts';
import { currentStatus, membersWaiting } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { snapshotEveryMs } from './snapshots.ts';

/** Looks while slots move, and while nothing does. The quiet pace bounds how late the first movement is seen. */
const quickMs = 50;
const quietMs = 600;
const emptyMs = 1_000;
/** While the primary writes WAL: a slot that somebody makes under load is to be on the standbys within a second. */
const loadedMs = 250;
/** How long after the last movement the quick pace is kept. */
const quickForMs = 5_000;

/** A leader that goes may be followed by this server: its promotion is to be seen at once. */
const leaderlessMs = 100;
const settlingMs = 200;
/** How long a slot that is missing, or was copied, is waited for at a better pace than the quiet one. */
const settlingForMs = 30_000;

/** How soon to look at the local server again. */
export function lookAgainMs(view: View): number {
  const { look, contact } = view.local;
  if (contact.kind !== 'good') return look === null ? quietMs : settlingMs;
  if (look?.role === 'standby') return standbyMs(view);
  const { movedAtMs, walMovedAtMs } = view.memory;
  if (movedAtMs !== null && view.nowMs - movedAtMs < quickForMs) return quickMs;
  if (membersWaiting(view).length > 0) return Math.min(snapshotEveryMs(view), quietMs);
  if (walMovedAtMs !== null && view.nowMs - walMovedAtMs < quickForMs) return loadedMs;
  return (currentStatus(view.consul.keys)?.extras?.logical.size ?? 0) > 0 ? quietMs : emptyMs;
}

/** A standby acts on what Consul says; it looks often only until what it has begun is done. */
function standbyMs(view: View): number {
  const { keys } = view.consul;
  if (keys !== null && leaderName(keys) === null) return leaderlessMs;
  const { missing, copies, native } = view.memory;
  const begunAtMs = [...copies.values()].map(({ lastAtMs }) => lastAtMs);
  if (missing.names !== '') begunAtMs.push(missing.sinceMs);
  if (native.waiting.slots.size > 0) begunAtMs.push(native.waiting.sinceMs);
  if (begunAtMs.some((atMs) => view.nowMs - atMs < settlingForMs)) return settlingMs;
  return emptyMs;
}
