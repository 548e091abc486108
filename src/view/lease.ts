import type { Guard } from '../domain/lead.ts';
import { longestLockDelaySeconds } from '../domain/lead.ts';
import { sessionId } from './select.ts';
import type { View } from './view.ts';

/** A leader is deposed this long before its lease ends: the time that fencing takes, and the drift of two clocks. */
export const fenceMarginMs = 1_500;
/** The lifeline acts this much later than the agent would: it is for agents that can't. */
export const lifelineGraceMs = 500;
/** Enough of the lease for whatever lets a server accept writes to be done or stopped within it. */
const promotionNeedsMs = 4_000;

/**
 * How long a session that was renewed just now keeps the leader key from others at least: it may be destroyed the next
 * moment, and then it is the lock delay that does. Both are as long, but Consul takes no lock delay of more than a minute.
 */
export function leaseMs(ttlSeconds: number): number {
  return Math.min(ttlSeconds, longestLockDelaySeconds) * 1_000;
}

/** When this member stops to lead unless its session is renewed, in monotonic milliseconds; null = it has no session. */
export function leaseDeadlineMs({ session }: View): number | null {
  return session.kind === 'held' ? session.renewedAtMs + leaseMs(session.ttlSeconds) - fenceMarginMs : null;
}

/** For how long the leader key can't be had after a session that ended, of members configured as this one; null = unknown. */
export function lockDelayMs({ session }: View): number | null {
  return session.kind === 'held' ? leaseMs(session.ttlSeconds) : null;
}

/** The term of the leader key while our present session holds it, as last read; null = it does not. */
export function heldTerm(view: View): number | null {
  const leader = view.consul.keys?.leader ?? null;
  return leader !== null && leader.session !== null && leader.session === sessionId(view) ? leader.modifyIndex : null;
}

/**
 * The term in which this member leads by its lease (L1): the key is held by its present session, the lease is good, and the
 * term is not one that was over before, whatever answers have come since. Null = it does not.
 */
export function leasedTerm(view: View): number | null {
  const term = heldTerm(view);
  const deadlineMs = leaseDeadlineMs(view);
  if (term === null || deadlineMs === null || view.nowMs >= deadlineMs) return null;
  return term === view.memory.lead.deposed?.term ? null : term;
}

/** The term in which this member goes on without Consul, since all others have agreed to it (L11); null = it does not. */
export function agreedTerm({ nowMs, memory: { lead } }: View): number | null {
  const { agreement } = lead.failsafe;
  if (agreement === null || nowMs >= agreement.deadlineMs) return null;
  return agreement.term === lead.deposed?.term ? null : agreement.term;
}

/** The term in which this member leads now, by its lease or by the agreement of all others; null = it does not lead. */
export function leadingTerm(view: View): number | null {
  return leasedTerm(view) ?? agreedTerm(view);
}

/** When this member stops to lead in that term unless its session is renewed or the others agree anew; null = neither. */
export function leadDeadlineMs(view: View, term: number): number | null {
  const { agreement } = view.memory.lead.failsafe;
  const leaseMs = heldTerm(view) === term ? leaseDeadlineMs(view) : null;
  const agreedMs = agreement?.term === term ? agreement.deadlineMs : null;
  return leaseMs === null || agreedMs === null ? (leaseMs ?? agreedMs) : Math.max(leaseMs, agreedMs);
}

/** Whether enough of the lease is left to begin what lets the server accept writes. */
export function hasLeaseLeft(view: View): boolean {
  const deadlineMs = leaseDeadlineMs(view);
  if (deadlineMs === null || view.session.kind !== 'held') return false;
  const wholeMs = leaseMs(view.session.ttlSeconds) - fenceMarginMs;
  return deadlineMs - view.nowMs >= Math.min(promotionNeedsMs, wholeMs / 2);
}

/**
 * Whether the server here may accept writes now, or be about to: nothing that was seen since the last action which lets it
 * says otherwise. True also while nothing is known of it.
 */
export function mayWrite(view: View): boolean {
  if (view.memory.lead.mayWriteSinceMs !== null) return true;
  const action = view.running.get('server')?.action;
  return action !== undefined && letsWrite(action);
}

/** Whether the server may accept writes once the action is done. */
export function letsWrite(action: { readonly kind: string; readonly term?: number | null }): boolean {
  if (action.kind === 'start_server' || action.kind === 'restart_server') return action.term !== null;
  return action.kind === 'promote' || action.kind === 'bootstrap';
}

/** What the lifeline is to guard: a leader's server until its lease ends, and a deposed one's until it is known to be down. */
export function guardOf(view: View): Guard {
  const { guard } = view.memory.lead;
  return guard === null ? { kind: 'none' } : { kind: 'leader', ...guard };
}
