import { leaderName } from '../../domain/cluster.ts';
import { leadingTerm, lifelineGraceMs, mayWrite } from '../../view/lease.ts';
import { configOf, freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { refusalOf } from '../refusal.ts';
import { cannotLeadOn } from './acquire.ts';
import { beingMade, hasOnlyBootstrapped, vain } from './stopped.ts';
import { isInitializing, isMadeElsewhere } from './upstream.ts';

/**
 * A server that may accept writes is stopped when its agent does not lead (L1): in order while the lease it had is still
 * good, since its standbys then receive everything, at once after that. In pause only when another leads.
 */
export function planFence(view: View): readonly Intent[] {
  if (!mayWrite(view) || leadingTerm(view) !== null) return [];
  // Nothing is known to run here: what is on disk says the rest.
  if (view.local.trouble === 'not_running' && !view.running.has('server')) return [];
  const isForeign = refusalOf(view) !== null;
  if (isForeign && !hasOnlyBootstrapped(view))
    return [hold('server', 'it belongs to another cluster, and is left alone')];
  const why = isForeign ? vain : stopBecause(view);
  if (why === null) return [];
  // One that is in order waits for the bootstrap, which would end with a server that accepts writes.
  const mode = isLate(view) || isMaking(view) ? 'immediate' : 'fast';
  return [act({ kind: 'stop_server', mode, why })];
}

/**
 * `primary_stop_timeout`: a primary that takes longer to stop is stopped at once, so that another one can lead. As in Patroni
 * in synchronous mode only: elsewhere its standbys may still be receiving what was acknowledged.
 */
export function planLateStop(view: View): readonly Intent[] {
  const { primaryStopTimeout, synchronousMode } = configOf(view).lead;
  const stopping = view.running.get('server') ?? null;
  if (primaryStopTimeout <= 0 || !synchronousMode || stopping?.action.kind !== 'stop_server' || !mayWrite(view))
    return [];
  if (view.nowMs - stopping.sinceMs < primaryStopTimeout * 1_000) return [];
  const why = 'it takes longer to stop than primary_stop_timeout allows';
  return [act({ kind: 'stop_server', mode: 'immediate', why })];
}

function stopBecause(view: View): string | null {
  const { keys } = view.consul;
  const { deposed, vacant, guard } = view.memory.lead;
  const leader = keys === null ? null : leaderName(keys);
  if (leader !== null && leader !== view.self.name) return isUnseen(view) ? null : `${leader} leads`;
  // Until somebody leads, it is the lock on `initialize` that lets one server write.
  if (isMadeElsewhere(view) && hasOnlyBootstrapped(view)) return beingMade;
  if (isMaking(view) && !isInitializing(view))
    return 'the lock on initialize is gone, under which the cluster was being made';
  if (configOf(view).pause) return null;
  if (deposed?.why === 'lease') return 'the lease ran out';
  if (deposed?.why === 'session') return 'the session is gone';
  // The key was deleted, or this agent has just been started: it is taken (again) within the time that a lease would have.
  const isOver = guard !== null ? isLate(view) : view.nowMs - (view.memory.lead.mayWriteSinceMs ?? 0) >= leaseMs(view);
  if (isOver) return 'it accepts writes without a lease';
  const why = vacant !== null && freshLook(view)?.role === 'primary' ? cannotLeadOn(view) : null;
  return why !== null && deposed === null && (keys?.terms?.value?.length ?? 0) > 0 ? why : null;
}

function isMaking({ running }: View): boolean {
  return running.get('server')?.action.kind === 'bootstrap';
}

/**
 * Whether this agent has just been started, and its first look is still to come. As a rule the server is a standby then,
 * and has nothing to be stopped for; of one that is not, the lifeline of the run before has kept the lease.
 */
function isUnseen({ local: { contact }, memory: { lead } }: View): boolean {
  return contact.kind === 'never' && lead.guard === null;
}

/** Whether the lease under which it may have accepted writes is over, so that somebody else may lead. */
function isLate(view: View): boolean {
  const { guard, deposed } = view.memory.lead;
  return deposed?.why === 'lease' || (guard !== null && view.nowMs >= guard.deadlineMs - lifelineGraceMs);
}

function leaseMs(view: View): number {
  return view.session.kind === 'held' ? view.session.ttlSeconds * 1_000 : (configOf(view).ttl * 1_000) / 3;
}
