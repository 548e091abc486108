import type { TimelineSwitch } from './local.ts';
import type { Lsn } from './lsn.ts';

/**
 * A leadership (L7). Its number is the `ModifyIndex` of the leader key's acquisition, so a later one has a higher one.
 * Listed by the leader in the key `slotkeeper/terms` before it promotes, and once more when it knows its timeline.
 */
export interface Term {
  readonly term: number;
  readonly leader: string;
  /** The timeline that the leader writes on; null = it has not been promoted yet. */
  readonly timeline: number | null;
  /** Where that timeline begins; null on timeline 1, or not known. */
  readonly from: Lsn | null;
}

/** Consul takes no longer lock delay. */
export const longestLockDelaySeconds = 60;

/** What a member offers in the race for a leader key that nobody holds (DESIGN 5). */
export interface Bid {
  /** The newest term that the member knows of: a bid counts in the race after that term only. */
  readonly after: number;
  /** The furthest position that it has received or replayed. */
  readonly position: Lsn;
  readonly timeline: number;
  /** How many followed slots are not `ready` here. */
  readonly unreadySlots: number;
  readonly priority: number;
  /** Why it can't lead; null = it can. A member that can't still says so, so that nobody waits for its bid. */
  readonly unfit: string | null;
}

/** The key `failover`, as Patroni and its tools write it: a request of an operator. */
export interface FailoverRequest {
  /** The member that is to hand over; null = whoever leads, or nobody does (a manual failover). */
  readonly leader: string | null;
  readonly candidate: string | null;
  /** ISO 8601 with a zone; null = at once. */
  readonly scheduledAt: string | null;
  /** slotkeeper's own: hand over although slots on the candidate are not ready. */
  readonly force: boolean;
}

/** The key `sync`, as Patroni writes it. */
export interface SyncState {
  readonly leader: string | null;
  readonly standbys: readonly string[];
}

/** How a standby streams: from which member, and through which physical slot there. */
export interface Upstream {
  readonly member: string;
  readonly host: string;
  readonly port: number;
  /** Null = streams without a slot. */
  readonly slot: string | null;
}

/** The WAL of a server that was asked for it: the timeline that it is on, and where each earlier one of that line ended. */
export interface WalLine {
  readonly timeline: number;
  readonly switches: readonly TimelineSwitch[];
}

/** That of the remote primary of a standby cluster. */
export interface RemoteLine extends WalLine {
  /** Whether it writes on that timeline itself; false = it is a standby, and passes on what another server wrote. */
  readonly isPrimary: boolean;
  /** Where that timeline begins by the history that this server has of it; null = it has none. */
  readonly beganHere: Lsn | null;
}

/** A request to restart this member's server, as Patroni's REST takes it. */
export interface RestartRequest {
  /** Null = at once. */
  readonly scheduledAt: string | null;
  readonly role: 'primary' | 'replica' | 'standby_leader' | 'any';
  /** Only if the server is older than this, e.g. `15.3`; null = in any case. */
  readonly postgresVersion: string | null;
  readonly onlyIfPending: boolean;
  readonly timeoutSeconds: number | null;
}

/** In place of a term where the leader key was never taken: no key of Consul's has this index. */
export const noTerm = 0;

/** What the lifeline has to guard: the process that stops the server when its agent can't (L1). */
export type Guard =
  /** No server here may accept writes, or none does. */
  | { readonly kind: 'none' }
  /**
   * The server may accept writes until `deadlineMs` of the monotonic clock, under `term`. `session` holds the leader key:
   * what has stopped the server gives the key back in its name, so that nobody waits for the session's end.
   */
  | { readonly kind: 'leader'; readonly term: number; readonly deadlineMs: number; readonly session: string };
