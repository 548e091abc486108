import type { Lsn } from './lsn.ts';

/** What a leader that can't reach Consul says to every other member: the body of `POST /failsafe`. */
export interface FailsafeCall {
  readonly leader: string;
  readonly connUrl: string | null;
  readonly apiUrl: string | null;
  /** Where slots are on the leader, as in the key `status`; the leader's own slot name with the end of its WAL. */
  readonly slots: ReadonlyMap<string, Lsn>;
  /** slotkeeper's own: which logical slot a name means (`LogicalSlotReport.incarnation`). */
  readonly incarnations: ReadonlyMap<string, Lsn>;
  /** slotkeeper's own: how long at least the answer binds whoever gives it; null = the asker leaves that to `ttl`. */
  readonly bindsMs: number | null;
}

export type FailsafeAnswer =
  /** `position`: how far the member has received, where it says so. */
  { readonly kind: 'accepted'; readonly position: Lsn | null } | { readonly kind: 'refused'; readonly why: string };

/** All others have agreed that this leader goes on without Consul. Monotonic milliseconds. */
export interface Agreement {
  readonly term: number;
  /** When this leader stops to lead, unless they agree anew. */
  readonly deadlineMs: number;
  /** The TTL of the session under which the term was led. */
  readonly ttlSeconds: number;
  /** How far those said to be who say so: their keys tell no more. */
  readonly positions: ReadonlyMap<string, Lsn>;
}

/** This member has agreed that another one goes on as the leader. */
export interface Acceptance {
  readonly call: FailsafeCall;
  /** Until then it neither leads nor lets its server write. */
  readonly untilMs: number;
}

/** What must be remembered for failsafe mode (L11). */
export interface FailsafeMemory {
  readonly agreement: Agreement | null;
  readonly askedAtMs: number | null;
  /** Who did not agree when last asked, and why. */
  readonly objections: ReadonlyMap<string, string>;
  /** The members of every map that may stand in the key `failsafe` without our having read it there. */
  readonly attempted: ReadonlyMap<string, string>;
  readonly acceptance: Acceptance | null;
  /** What an earlier run of the agent agreed to is not known. */
  readonly startedAtMs: number;
}
