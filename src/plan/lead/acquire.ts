import { boundBecause, unlistedBecause } from '../../view/failsafe.ts';
import { hasLeaseLeft } from '../../view/lease.ts';
import { configOf, freshLook, holdsLeader, sessionId } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { hold } from '../intent.ts';
import { acquireLeader, rivalsOf } from '../leadership.ts';
import { refusalOf } from '../refusal.ts';
import { newestTimeline } from './fitness.ts';

/**
 * A primary that runs without the lock takes it when nobody has it: the agent was started beside it, it has just been
 * bootstrapped, or somebody deleted the key. A server that had to be fenced never does: it is stopped first.
 */
export function planPrimaryAcquires(view: View): readonly Intent[] {
  const session = sessionId(view);
  const look = freshLook(view);
  if (session === null || look?.role !== 'primary' || holdsLeader(view)) return [];
  const why = cannotLeadOn(view);
  if (why !== null) return [hold('leader key', why)];
  return view.memory.lead.vacant === null ? [] : [acquireLeader(view, session)];
}

/** Why a primary that runs without the lock must not go on as the leader; null = it may. */
export function cannotLeadOn(view: View): string | null {
  const { deposed } = view.memory.lead;
  const { pause } = configOf(view);
  if (!pause && deposed !== null && (deposed.why === 'lease' || deposed.why === 'session')) {
    return 'its lease ran out: it has to be stopped before it may lead again';
  }
  const refusal = refusalOf(view) ?? boundBecause(view) ?? unlistedBecause(view);
  if (refusal !== null) return refusal;
  const last = view.consul.keys?.terms?.value?.at(-1) ?? null;
  if (last !== null && last.leader !== view.self.name) return `${last.leader} has led since`;
  const timeline = freshLook(view)?.timeline ?? 0;
  const newest = newestTimeline(view);
  if (timeline < newest) return `it is on timeline ${timeline}, the newest is ${newest}`;
  const rivals = rivalsOf(view);
  if (rivals.length > 0) return `${rivals.join(', ')} also says to be the primary`;
  return hasLeaseLeft(view) ? null : 'too little is left of the lease';
}
