/** What a lifeline knows when it decides. Times on the machine's monotonic clock. */
export interface Situation {
  readonly nowMs: number;
  /** Null = nothing is guarded. */
  readonly guard: { readonly term: number; readonly deadlineMs: number } | null;
  /** The guard is of the lifeline before, whose server still ran when this one began. */
  readonly isInherited: boolean;
  /** The server was stopped under this guard: it may not write any more. */
  readonly isFenced: boolean;
  /** Null = the agent's pipe is open. */
  readonly agentGoneAtMs: number | null;
  readonly fastFailover: boolean;
  /** `starting` = something is about to start one. */
  readonly server: 'none' | 'starting' | 'standby' | 'primary';
  /** A later lifeline that lives guards the same data directory. */
  readonly hasHeir: boolean;
  readonly isDataRemoved: boolean;
  /** Nothing is left to be given back to Consul. */
  readonly areKeysReturned: boolean;
}

export type Step =
  | { readonly kind: 'wait' }
  /** Stop the server and give the leader key back. */
  | { readonly kind: 'fence'; readonly why: string }
  /** The guard is void. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'end'; readonly why: string | null };

/** A supervisor has this long to bring the agent back, with `fastFailover`. */
const agentAbsenceMs = 2_000;
/** How long what was begun before the fence can still bring a server up, once the lease is over. */
const afterglowMs = 2_000;
/** How long Consul is asked to take the keys back, once the lease is over: by then the session has ended by itself. */
const patienceMs = 30_000;

/** What a lifeline does next (L1). */
export function nextStep(now: Situation): Step {
  const isAgentGone = now.agentGoneAtMs !== null;
  if (isAgentGone && now.hasHeir) return { kind: 'end', why: 'the lifeline of a later agent has taken over' };
  if (now.guard === null) return isAgentGone ? { kind: 'end', why: null } : wait;
  if (now.isFenced) return whenFenced(now, now.guard.deadlineMs);
  if (now.nowMs >= now.guard.deadlineMs) return { kind: 'fence', why: `the lease of term ${now.guard.term} is over` };
  if (now.agentGoneAtMs === null) return now.isInherited && now.server === 'none' ? { kind: 'drop' } : wait;
  if (now.server === 'none') return { kind: 'fence', why: 'agent and server are gone' };
  const isAbsent = now.nowMs - now.agentGoneAtMs >= agentAbsenceMs;
  return now.fastFailover && isAbsent ? { kind: 'fence', why: `the agent is gone for ${agentAbsenceMs} ms` } : wait;
}

const wait: Step = { kind: 'wait' };

/** A start that was on its way when the server was stopped may bring up another one. */
function whenFenced(now: Situation, deadlineMs: number): Step {
  if (now.server === 'primary') return { kind: 'fence', why: 'a server was started after its lease' };
  const overMs = now.nowMs - deadlineMs;
  const isOver = overMs >= afterglowMs && (now.areKeysReturned || overMs >= patienceMs);
  if (now.agentGoneAtMs !== null) return isOver || now.isDataRemoved ? { kind: 'end', why: null } : wait;
  return now.isInherited && isOver ? { kind: 'drop' } : wait;
}
