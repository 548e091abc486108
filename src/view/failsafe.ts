import type { Action, Outcome } from '../domain/action.ts';
import { leaderName } from '../domain/cluster.ts';
import type { FailsafeCall, FailsafeMemory } from '../domain/failsafe.ts';
import type { AgentRequest } from '../domain/request.ts';
import { acceptanceOf } from './acceptance.ts';
import { fenceMarginMs, leadingTerm, leasedTerm, leaseDeadlineMs, leaseMs, mayWrite } from './lease.ts';
import { configOf, freshLook, hasBidSinceVacant, isUnconfirmed } from './select.ts';
import type { View } from './view.ts';

export function noFailsafe(nowMs: number): FailsafeMemory {
  return {
    agreement: null,
    askedAtMs: null,
    objections: new Map(),
    attempted: new Map(),
    acceptance: null,
    startedAtMs: nowMs,
  };
}

/**
 * The members without whose word this leader does not go on without Consul, by name, with the URL of their REST interface:
 * everybody who could win a race. Null = nothing says who that is, or this member is not listed itself.
 */
export function failsafeOthers(view: View): ReadonlyMap<string, string> | null {
  const listed = view.consul.keys?.failsafe?.value ?? null;
  if (listed?.has(view.self.name) !== true) return null;
  const others = new Map([...listed, ...view.memory.lead.failsafe.attempted]);
  others.delete(view.self.name);
  return others;
}

/**
 * Why this member must not lead although nobody does: the key `failsafe` does not list it, so a leader that goes on without
 * Consul has not asked it. Counts for as long as the key is there; an empty or unreadable one says nothing, as in Patroni.
 */
export function unlistedBecause(view: View): string | null {
  const listed = view.consul.keys?.failsafe?.value ?? null;
  if (listed === null || listed.size === 0 || listed.has(view.self.name)) return null;
  return 'it is not in the key failsafe: whoever led last may go on without its word';
}

/** Why this member's server must not write although it may hold the leader key; null = nothing binds it. */
export function boundBecause(view: View): string | null {
  const acceptance = acceptanceOf(view);
  return acceptance === null ? null : `it has agreed that ${acceptance.call.leader} leads on without Consul`;
}

/**
 * The same, for the race. A member that has bid since the key is gone says thereby that its server writes no more: then its
 * earlier word that it goes on is void.
 */
export function boundInRace(view: View): string | null {
  const leader = acceptanceOf(view)?.call.leader ?? null;
  if (leader === null) return null;
  const isAlive = view.consul.keys?.members.get(leader)?.session != null;
  return isAlive && hasBidSinceVacant(view, leader) ? null : boundBecause(view);
}

/** An agent that was started lately does not know what the one before it agreed to. */
export function boundByEarlierRun(view: View): string | null {
  const listed = view.consul.keys?.failsafe?.value ?? null;
  const isAsked = listed !== null && [...listed.keys()].some((name) => name !== view.self.name);
  const isLate = view.nowMs - view.memory.lead.failsafe.startedAtMs >= acceptanceMs(view, null);
  return isAsked && !isLate ? 'its agent was just started, and may have agreed that the former leader goes on' : null;
}

/** How long a member's word binds it: `ttl` as in Patroni, and never less than the asker counts on. */
function acceptanceMs(view: View, bindsMs: number | null): number {
  const ownTtlMs = view.session.kind === 'held' ? view.session.ttlSeconds * 1_000 : 0;
  return Math.max(configOf(view).ttl * 1_000, ownTtlMs, bindsMs ?? 0);
}

/** Why this member does not agree that the asker goes on as the leader; null = it does. */
export function objectionTo(view: View, { leader: asker }: FailsafeCall): string | null {
  if (asker === view.self.name) return 'this member is asked by its own name';
  if (freshLook(view)?.role === 'primary') return 'Running as a leader';
  if (mayWrite(view)) return 'the server here is not known to be a standby';
  const { keys } = view.consul;
  const leader = keys === null ? null : leaderName(keys);
  // Without a session nothing has been heard from Consul for as long as a lease lasts.
  if (leader !== null && leader !== asker && view.session.kind === 'held') return `${leader} leads`;
  const isTaking = view.running.has('consul:leader') || isUnconfirmed(view, 'consul:leader');
  return isTaking ? 'this member may be taking the leader key' : null;
}

/** What a leader's question leaves behind. */
export function failsafeAfterRequest(view: View, request: AgentRequest): FailsafeMemory {
  const { failsafe } = view.memory.lead;
  if (request.kind !== 'failsafe' || view.self.ha !== 'manage' || objectionTo(view, request.call) !== null)
    return failsafe;
  const untilMs = view.nowMs + acceptanceMs(view, request.call.bindsMs);
  return { ...failsafe, acceptance: { call: request.call, untilMs } };
}

export function failsafeAfterStart({ memory, nowMs }: View, action: Action): FailsafeMemory {
  const { failsafe } = memory.lead;
  switch (action.kind) {
    case 'ask_failsafe':
      return { ...failsafe, askedAtMs: nowMs };
    case 'publish_failsafe':
      // From now on Consul may say so, whatever becomes of the answer.
      return { ...failsafe, attempted: new Map([...failsafe.attempted, ...(action.members ?? [])]) };
    case 'acquire_leader':
    case 'take_over_leader':
      // Planned only where no word binds this member any more.
      return { ...failsafe, acceptance: null };
    default:
      return failsafe;
  }
}

export function failsafeAfterOutcome(view: View, outcome: Outcome): FailsafeMemory {
  const { failsafe } = view.memory.lead;
  if (outcome.kind === 'failed') return failsafe;
  const { done } = outcome;
  if (done.action.kind === 'publish_failsafe') return { ...failsafe, attempted: done.action.members ?? new Map() };
  if (done.action.kind !== 'ask_failsafe') return failsafe;
  const { action, result } = done as Extract<typeof done, { readonly action: { readonly kind: 'ask_failsafe' } }>;
  const objections = new Map(
    [...result].flatMap(([name, answer]) => (answer.kind === 'accepted' ? [] : [[name, answer.why] as const])),
  );
  const asked = { ...failsafe, objections };
  const { term, ttlSeconds } = action;
  // Whoever came to be listed meanwhile was not asked.
  const others = failsafeOthers(view);
  const isWhole = others !== null && [...others.keys()].every((name) => result.has(name));
  if (objections.size > 0 || !isWhole || leadingTerm(view) !== term) return asked;
  // Counted from before the question was sent: their word then binds the others for longer. Not longer than a lease: whoever
  // comes to be listed after it can't have the lock before that is over.
  const deadlineMs = outcome.startedAtMs + leaseMs(ttlSeconds) - fenceMarginMs;
  const isLater = deadlineMs > (failsafe.agreement?.deadlineMs ?? -Infinity);
  const positions = new Map(
    [...result].flatMap(([name, answer]) =>
      answer.kind === 'refused' || answer.position === null ? [] : [[name, answer.position] as const],
    ),
  );
  return isLater ? { ...asked, agreement: { term, deadlineMs, ttlSeconds, positions } } : asked;
}

/** An agreement ends with its term, and once the lease lasts as long again. */
export function withoutIdleAgreement(view: View): FailsafeMemory {
  const { failsafe, deposed } = view.memory.lead;
  const { agreement } = failsafe;
  if (agreement === null) return failsafe;
  const leased = leasedTerm(view);
  const isIdle = leased !== null && (leased !== agreement.term || (leaseDeadlineMs(view) ?? 0) >= agreement.deadlineMs);
  return isIdle || agreement.term === deposed?.term
    ? { ...failsafe, agreement: null, objections: new Map() }
    : failsafe;
}

/** Whether a leader here goes on by the others' word, or this member has given its own. */
export function isFailsafeActive(view: View): boolean {
  return view.memory.lead.failsafe.agreement !== null || acceptanceOf(view) !== null;
}
