import type { DynamicConfig, Tags } from './config.ts';
import type { Lsn } from './lsn.ts';
import type { PendingRestart } from './managed.ts';
import type { Bid, FailoverRequest, RestartRequest, SyncState, Term } from './lead.ts';
import type { Gap, SlotVerdict } from './slot.ts';
import type { Xid } from './xid.ts';

/** Consul's own facts about a key. Indexes are Raft indexes; they fence and tell news from old. */
export interface KeyStamp {
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** The session that holds the key's lock; null = nobody. */
  readonly session: string | null;
}

/**
 * A key's value after decoding. A value that cannot be read keeps its stamp and says why, so that "absent" and
 * "unreadable" stay two things. `problem` can also name a part that was skipped while the rest was read.
 */
export interface Key<T> extends KeyStamp {
  readonly value: T | null;
  readonly problem: string | null;
}

/** What a member says of one of its physical slots: a link in the chain that protects catalog rows. */
export interface PhysicalSlotReport {
  readonly restartLsn: Lsn | null;
  readonly xmin: Xid | null;
  readonly catalogXmin: Xid | null;
  readonly active: boolean;
}

/** What the leader says of one of its logical slots, besides the position. */
export interface LogicalSlotReport {
  readonly database: string;
  readonly plugin: string;
  readonly twoPhase: boolean;
  readonly failover: boolean;
  readonly restartLsn: Lsn | null;
  readonly catalogXmin: Xid | null;
  /**
   * Tells a slot from another one that was made later under its name: the WAL position at which the leader first saw
   * it. Kept over failovers.
   */
  readonly incarnation: Lsn;
  /** Whether slotkeeper made the slot because it is declared (S4: only such a slot is ever dropped on a primary). */
  readonly made: boolean;
  /** PostgreSQL's reason for not decoding from it any more; null = it does. */
  readonly invalidation: string | null;
}

/** A slot that is gone from the primary although it was followed: never made anew silently (S3). */
export interface LostSlot {
  readonly from: Lsn;
  readonly why: string;
  readonly atWallMs: number;
}

/** slotkeeper's own part of the key `status`. */
export interface StatusExtras {
  /** The `ModifyIndex` of the leader key under which this was written: tells a new leader's status from the old one's. */
  readonly term: number;
  readonly timeline: number;
  /**
   * The highest `ModifyIndex` among the keys of members that others stream from, as the leader knew them before it
   * looked at its slots: orders what a cascade's upstream reports against what the primary reports.
   */
  readonly membersIndex: number;
  readonly logical: ReadonlyMap<string, LogicalSlotReport>;
  readonly physical: ReadonlyMap<string, PhysicalSlotReport>;
  readonly lost: ReadonlyMap<string, LostSlot>;
  /**
   * How far templates may go: every logical slot that is usable on the primary but not listed here yet starts at or after
   * this position. Null = not known; templates stay where they are.
   */
  readonly templateLsn: Lsn | null;
  /** What the gate on the primary is; null = none is kept. */
  readonly gate: GateReport | null;
}

/** The gate: which physical slots have to have a change before consumers get it. */
export interface GateReport {
  /** What enforces it; null = nothing on this server does, so consumers can be ahead of the next primary. */
  readonly enforcedBy: 'synchronized_standby_slots' | 'pg_failover_slots' | null;
  /** The physical slots that are waited for now. */
  readonly slots: readonly string[];
  /** Those that were asked for and are left out, each with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** The key `status`: Patroni's fields, and ours when the leader is a slotkeeper. */
export interface Status {
  readonly optime: Lsn;
  /** Slot name → confirmed position (logical) or restart position (physical), in bytes. */
  readonly slots: ReadonlyMap<string, Lsn>;
  readonly retainSlots: readonly string[];
  readonly extras: StatusExtras | null;
}

/** slotkeeper's own part of a member key. */
export interface MemberExtras {
  readonly agentVersion: string;
  readonly serverVersionNum: number | null;
  readonly systemIdentifier: string | null;
  /** The member that this one streams from, by its own finding; null = not known or none. */
  readonly upstream: string | null;
  readonly primarySlotName: string | null;
  readonly physical: ReadonlyMap<string, PhysicalSlotReport>;
  /** Whether this member, or one that streams through it, holds logical slots. */
  readonly needsFeedback: boolean;
  readonly hotStandbyFeedback: boolean;
  /** The template slots that are usable on this standby: database → position. */
  readonly templates: ReadonlyMap<string, Lsn>;
  /** Something here waits for a record of the running transactions: the primary is asked to log one (FACTS 2). */
  readonly wantsSnapshot: boolean;
  /** What it offers in the race for the leader key; null = there is none, or it does not take part (`ha: observe`). */
  readonly bid: Bid | null;
  readonly problems: readonly string[];
}

export type MemberRole = 'primary' | 'replica' | 'standby_leader' | 'uninitialized' | 'demoted';

/** The key `members/<name>`. */
export interface Member {
  readonly connUrl: string | null;
  readonly apiUrl: string | null;
  /** Patroni's words: `running`, `starting`, `stopped`, `crashed`, … */
  readonly state: string;
  readonly role: MemberRole;
  /** The Patroni version whose formats the member speaks; null = it does not say. */
  readonly version: string | null;
  readonly xlogLocation: Lsn | null;
  /** A standby's highest received (flushed) and replayed positions; null on a primary, or not known. */
  readonly receiveLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  /** Patroni's words for where a standby gets its WAL from: `streaming`, `in archive recovery`; null = it does not say. */
  readonly replicationState: string | null;
  readonly timeline: number | null;
  readonly tags: Tags;
  readonly pendingRestart: boolean;
  /** Empty where the member does not say why. */
  readonly pendingRestartReason: PendingRestart;
  /** A restart that an operator has asked for at a later time; `scheduledAt` is set. */
  readonly scheduledRestart: RestartRequest | null;
  /** The member knows that cluster management is paused. */
  readonly pause: boolean;
  readonly slots: ReadonlyMap<string, SlotVerdict>;
  /** Null = the member is not a slotkeeper. */
  readonly extras: MemberExtras | null;
}

/** One line of the key `history`: the end of a timeline. */
export interface HistoryEntry {
  readonly timeline: number;
  readonly lsn: Lsn;
  readonly reason: string;
  /** ISO 8601; null when not known. */
  readonly timestamp: string | null;
  readonly newLeader: string | null;
}

/** One promotion in the key `slot_history`. */
export interface SlotHistoryEntry {
  readonly timeline: number;
  readonly leader: string;
  readonly timestamp: string;
  readonly slots: readonly SlotVerdict[];
  readonly gaps: readonly Gap[];
}

/** Everything under the scope's prefix, decoded, at one Raft index. Absent keys are null. */
export interface ClusterKeys {
  readonly index: number;
  readonly initialize: Key<string> | null;
  readonly config: Key<DynamicConfig> | null;
  /** The text of the key `config` as it stands in Consul, also when it is wrong: what people read and change. */
  readonly configText: string | null;
  readonly leader: Key<string> | null;
  readonly members: ReadonlyMap<string, Key<Member>>;
  readonly status: Key<Status> | null;
  readonly optimeLeader: Key<Lsn> | null;
  readonly history: Key<readonly HistoryEntry[]> | null;
  readonly slotHistory: Key<readonly SlotHistoryEntry[]> | null;
  /** The lock that lets one standby of the scope restart at a time; value = the member's name. */
  readonly restartTurn: Key<string> | null;
  /** An operator's request to switch over, or to fail over by hand. */
  readonly failover: Key<FailoverRequest> | null;
  /** Synchronous mode: who may lead besides the leader. */
  readonly sync: Key<SyncState> | null;
  /** Failsafe mode: whom the leader has to hear from to go on while Consul is away, by name, with the URL of its REST API. */
  readonly failsafe: Key<ReadonlyMap<string, string>> | null;
  /** The leaderships so far, oldest first (L7). */
  readonly terms: Key<readonly Term[]> | null;
}

export const noKeys: ClusterKeys = {
  index: 0,
  initialize: null,
  config: null,
  configText: null,
  leader: null,
  members: new Map(),
  status: null,
  optimeLeader: null,
  history: null,
  slotHistory: null,
  restartTurn: null,
  failover: null,
  sync: null,
  failsafe: null,
  terms: null,
};

/** The member that holds the leader lock; null = nobody does (a leader key without a session is nobody's). */
export function leaderName(keys: ClusterKeys): string | null {
  return keys.leader !== null && keys.leader.session !== null ? keys.leader.value : null;
}
