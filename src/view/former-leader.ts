import { boundByEarlierRun } from './failsafe.ts';
import { configOf, freshLook, hasBidSinceVacant, ownUpstream } from './select.ts';
import type { View } from './view.ts';

/**
 * Why nobody may take the vacant leader key yet (L8); null = anybody may. While the former leader's agent is alive it says by
 * a bid that its server writes no more; only its word counts then (its key may have been deleted by hand). Without its agent,
 * the stream from its server proves that it lives: then its lease is waited for, after which it has been stopped.
 */
export function formerLeaderLives(view: View): string | null {
  const { vacant, lastLeader, pausedUntilMs } = view.memory.lead;
  const former = lastLeader?.name ?? view.consul.keys?.terms?.value?.at(-1)?.leader ?? null;
  if (former === null || former === view.self.name) return null;
  const key = view.consul.keys?.members.get(former);
  if (key?.session != null && key.value?.extras != null)
    return hasBidSinceVacant(view, former) ? null : `${former}, who led last, may still accept writes`;
  const bound = boundByEarlierRun(view);
  if (bound !== null) return bound;
  const isPaused = configOf(view).pause && view.consul.keys?.failover?.value?.force !== true;
  if (isPaused) return `${former}, who led last, may still accept writes: nobody stops it while the cluster is paused`;
  // The key that would tell whom it streams from is gone with the former leader's session.
  const isStreaming = freshLook(view)?.receiver?.status === 'streaming' && (ownUpstream(view) ?? former) === former;
  const leaseMs = view.session.kind === 'held' ? view.session.ttlSeconds * 1_000 : 0;
  const fromMs = Math.max(vacant?.sinceMs ?? view.nowMs, pausedUntilMs ?? -Infinity);
  const isEarly = view.nowMs - fromMs < leaseMs;
  // In a pause no lease ends anything: a server that lives may accept writes for however long. In synchronous mode it
  // acknowledges none of them once its standbys have left it.
  const isUnending = pausedUntilMs !== null && !configOf(view).lead.synchronousMode;
  if (isStreaming && (isEarly || isUnending)) return `it still receives WAL from ${former}`;
  return isEarly && pausedUntilMs !== null
    ? `${former}, who led last, may not have heard that the pause is over`
    : null;
}
