import type { Bid } from '../../domain/lead.ts';
import { boundInRace } from '../../view/failsafe.ts';
import { formerLeaderLives } from '../../view/former-leader.ts';
import { hasLeaseLeft, lockDelayMs, mayWrite } from '../../view/lease.ts';
import { configOf, freshLook, sessionId } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { hold } from '../intent.ts';
import { acquireLeader } from '../leadership.ts';
import { furthest, requestedCandidate, requestedForMs, unfitBecause, unreadySlots } from './fitness.ts';

/** How long bids are waited for, and how long each one leaves to whoever is before it. */
const bidsMs = 1_000;
const turnMs = 1_000;
/** `promotion_guard: prefer`: how long a standby with slots that are not ready waits for a better one (L4). */
const guardMs = 2_000;

/**
 * What this member offers in the race; null = there is none, or its server may accept writes. Also of a member that can't
 * lead: a bid says that its server writes nothing under any term before.
 */
export function ownBid(view: View): Bid | null {
  const { vacant } = view.memory.lead;
  if (view.self.ha !== 'manage' || vacant === null || mayWrite(view)) return null;
  const look = freshLook(view);
  return {
    after: vacant.after,
    position: look === null ? 0n : furthest(look),
    timeline: look?.timeline ?? 1,
    unreadySlots: unreadySlots(view),
    priority: view.self.tags.failoverPriority,
    unfit: unfitBecause(view),
  };
}

/** Takes the leader key that nobody holds, when this standby's turn has come (L3). */
export function planRace(view: View): readonly Intent[] {
  const session = sessionId(view);
  const bid = ownBid(view);
  if (session === null || bid === null) return [];
  const why = bid.unfit ?? waitsBecause(view, bid);
  return why === null ? [acquireLeader(view, session)] : [hold('leader key', why)];
}

function waitsBecause(view: View, own: Bid): string | null {
  if (view.consul.contact.kind !== 'good') return 'Consul does not answer';
  if (!hasLeaseLeft(view)) return 'too little is left of the lease';
  return boundInRace(view) ?? formerLeaderLives(view) ?? othersTurn(view, own);
}

interface Rival {
  readonly name: string;
  readonly bid: Bid;
}

/** Turns begin when the key can be had: nobody has let theirs pass while the former leader kept everybody from it. */
function othersTurn(view: View, own: Bid): string | null {
  const { name } = view.self;
  const sinceMs = view.nowMs - (view.memory.lead.openSinceMs ?? view.nowMs);
  const candidate = requestedCandidate(view);
  if (candidate === name) return null;
  const others = otherMembers(view, own.after);
  const named = others.get(candidate ?? '');
  if (candidate !== null && named !== undefined && named?.unfit == null && sinceMs < requestedForMs) {
    return `${candidate} is asked to lead`;
  }
  const missing = [...others].filter(([, bid]) => bid === null).map(([member]) => member);
  if (missing.length > 0 && sinceMs < bidsMs) return `it waits for the bids of ${missing.sort().join(', ')}`;
  const before = [...others].flatMap(([member, bid]): readonly string[] =>
    bid !== null && bid.unfit === null && isBefore({ name: member, bid }, { name, bid: own }) ? [member] : [],
  );
  const turnsMs = before.length === 0 ? 0 : keyDelayMs(view) + bidsMs + before.length * turnMs;
  const waitMs = turnsMs + (isWorseThanWanted(view, own) ? guardMs : 0);
  if (sinceMs >= waitMs) return null;
  return before.length === 0
    ? `${own.unreadySlots} of its slots are not ready: a better one may come`
    : `${before.sort().join(', ')} is before it`;
}

/** While nobody can have the key, the first one in order has not let its turn pass. */
function keyDelayMs(view: View): number {
  return view.memory.lead.isKeyDelayed ? (lockDelayMs(view) ?? 0) : 0;
}

function isWorseThanWanted(view: View, own: Bid): boolean {
  return own.unreadySlots > 0 && configOf(view).lead.promotionGuard === 'prefer';
}

/** The bids of all others who are alive, for the race after that term; null = not made yet. */
function otherMembers(view: View, after: number): ReadonlyMap<string, Bid | null> {
  const others = new Map<string, Bid | null>();
  for (const [name, key] of view.consul.keys?.members ?? []) {
    if (name === view.self.name || key.session === null) continue;
    const bid = key.value?.extras?.bid ?? null;
    others.set(name, bid !== null && bid.after >= after ? bid : null);
  }
  return others;
}

/** The furthest first: no slot is worth a lost transaction (L2); then readiness, priority, and the name, to have an order. */
function isBefore(a: Rival, b: Rival): boolean {
  if (a.bid.position !== b.bid.position) return a.bid.position > b.bid.position;
  if (a.bid.unreadySlots !== b.bid.unreadySlots) return a.bid.unreadySlots < b.bid.unreadySlots;
  if (a.bid.priority !== b.bid.priority) return a.bid.priority > b.bid.priority;
  return a.name < b.name;
}
