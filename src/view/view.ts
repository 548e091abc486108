import type { ClusterKeys, Member, SlotHistoryEntry, Status } from '../domain/cluster.ts';
import type { DynamicConfig, Tags } from '../domain/config.ts';
import type { DiskState, TermOnDisk } from '../domain/disk.ts';
import type { FailsafeMemory } from '../domain/failsafe.ts';
import type { Ledger, TimelineSwitch } from '../domain/local.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { Problem } from '../domain/problem.ts';
import type { RequestOutcome } from '../domain/request.ts';
import type { RestartRequest, RemoteLine, Upstream } from '../domain/lead.ts';
import type { ManagedSelf, PendingRestart, ServerPlan } from '../domain/managed.ts';
import type { ServerLook, ServerTrouble, SettingChange } from '../domain/server.ts';
import type { ServiceState } from '../domain/service.ts';
import type { SlotVerdict } from '../domain/slot.ts';
import type { Xid } from '../domain/xid.ts';
import type { Action } from '../domain/action.ts';

/** What the agent's file says of it; of this only tags and `managed` change while it runs, when the file is read again. */
export interface Self {
  readonly scope: string;
  readonly name: string;
  readonly connUrl: string;
  readonly apiUrl: string;
  readonly tags: Tags;
  readonly agentVersion: string;
  /** Whether the agent can stop and start its server: without it there is no file copy. */
  readonly canRestart: boolean;
  readonly registerService: boolean;
  /** `manage`: slotkeeper promotes and demotes; `observe`: somebody else does. */
  readonly ha: 'manage' | 'observe';
  /** What the agent's file says of the server that it manages; null with `ha: observe`. */
  readonly managed: ManagedSelf | null;
}

/** How well an outside system can be reached. All times monotonic milliseconds. */
export type Contact =
  | { readonly kind: 'never' }
  | { readonly kind: 'good'; readonly atMs: number }
  | { readonly kind: 'broken'; readonly sinceMs: number; readonly why: string };

export type SessionState =
  | { readonly kind: 'none'; readonly why: string }
  | {
      readonly kind: 'held';
      readonly id: string;
      readonly ttlSeconds: number;
      /** Set when Consul refused the wanted TTL: what was wanted, in seconds of Consul's TTL. */
      readonly clampedFrom: number | null;
      /** Taken before the last renewal that succeeded was sent; the lease is good for `ttlSeconds` from here. */
      readonly renewedAtMs: number;
    };

export interface LocalView {
  readonly contact: Contact;
  /** Why the last look failed; null = it did not. */
  readonly trouble: ServerTrouble | null;
  /** The newest look; null = none has succeeded yet. Stale while `contact` is broken. */
  readonly look: ServerLook | null;
  /** When that look began. */
  readonly lookedAtMs: number | null;
  readonly copyInterrupted: boolean;
  /** What was on disk when the server was last found not to run (`ha: manage`); null = it runs, or was not looked at. */
  readonly disk: DiskState | null;
  /** The history of the present timeline, on a primary; null = not read yet. */
  readonly history: { readonly timeline: number; readonly switches: readonly TimelineSwitch[] } | null;
}

/** The last failures of an action in a row; gone with its first success. */
export interface Failure {
  readonly count: number;
  /** When the first of them ended: what is reported grows louder with its age. */
  readonly sinceMs: number;
  readonly lastAtMs: number;
  readonly message: string;
  readonly sqlstate: string | null;
}

export interface Running {
  readonly action: Action;
  readonly sinceMs: number;
}

/** An effect is confirmed by a look that began after it, or by keys at least as new as it; it is not waited for forever. */
export interface Unconfirmed {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The Raft index of a write to Consul, or one that is newer than what was refused; null = a look is waited for. */
  readonly index: number | null;
}

/** What must be remembered about a followed slot on this standby, because one look cannot show it. */
export interface SlotMemory {
  /**
   * The primary slot's catalog_xmin as it was when the protection of catalog rows along the chain became valid; null =
   * it is not valid now (FACTS 2, "Readiness"). Good only on the timeline `Memory.marksTimeline`.
   */
  readonly protectedFrom: Xid | null;
  /** How far the primary had written when that protection became valid; null with `protectedFrom`. */
  readonly protectedSinceLsn: Lsn | null;
  readonly aheadSinceMs: number | null;
  /** How long the last advance took and when it ended: the next one waits in proportion. */
  readonly lastAdvance: {
    readonly endedAtMs: number;
    readonly tookMs: number;
    readonly target: Lsn;
    readonly reached: Lsn;
  } | null;
}

/** What a standby last knew of its slots while the primary's were known: the basis of the record of a promotion. */
export interface Standing {
  readonly timeline: number;
  readonly verdicts: readonly SlotVerdict[];
  /** The position of each followed slot on the primary, as last published. */
  readonly published: ReadonlyMap<string, Lsn>;
}

/** A promotion of this server, seen by this run of the agent. */
export interface Promotion {
  readonly timeline: number;
  readonly atWallMs: number;
  readonly before: Standing;
}

/** The attempts to copy one slot. */
export interface CopyMemory {
  readonly count: number;
  readonly lastAtMs: number;
  /** Why the last attempt left it out; null = it was copied. */
  readonly skipped: string | null;
  /**
   * Where the primary's slot began when the attempt left it out without a restart: once it begins elsewhere, what was
   * missing may not be needed any more. Null = it was copied, or the attempt cost a restart.
   */
  readonly triedFrom: Lsn | null;
}

/** What must be remembered about a physical slot that the gate is asked to wait for, because one look cannot show it. */
export interface GateSlotMemory {
  /** The member that streams through it, as last known; null = the slot was asked for by its own name. */
  readonly member: string | null;
  /** The oldest end of the WAL that a look has shown and that it has not confirmed yet; null = it has confirmed all. */
  readonly owes: { readonly lsn: Lsn; readonly sinceMs: number } | null;
  /** Why it is not in service, and since when it has not been; null = it is. */
  readonly out: { readonly why: string; readonly sinceMs: number } | null;
  /** Whether it can be waited for at all: the slot is here, keeps WAL, and its member streams from this server. */
  readonly isListable: boolean;
  /** In service, or out of it for no longer than the grace. */
  readonly isCounted: boolean;
}

/** What must be remembered about the gate (`standby-gate.ts`). */
export interface GateMemory {
  /** The physical slots that are asked for, while this server is a primary and a gate is to be kept; null = not so. */
  readonly slots: ReadonlyMap<string, GateSlotMemory> | null;
  /** The last change of its settings: one that has no effect is not made again in a loop. */
  readonly lastChange: {
    readonly changes: readonly SettingChange[];
    readonly atMs: number;
    /** A server that was started again may say something else now. */
    readonly serverStartedAtWallMs: number | null;
  } | null;
}

/** Where a slot that PostgreSQL synchronised to this standby was when it was first seen on the present timeline. */
export interface SyncedFrom {
  readonly position: Lsn;
  readonly sinceMs: number;
  /** The primary's slot has been there, or PostgreSQL has moved this one since: it is not past its consumer. */
  readonly isConfirmed: boolean;
}

/** A slot on a primary that nobody uses. */
export interface IdleSlot {
  readonly position: Lsn;
  /** Since when it is there. */
  readonly sinceMs: number;
  readonly tried: IdleSlotMove | null;
}

/** The last attempt to move an idle slot; `count`: which one it was for those who waited. */
export interface IdleSlotMove {
  readonly count: number;
  readonly atMs: number;
  /** False = changes wait for its consumer. */
  readonly moved: boolean;
  readonly waiting: readonly string[];
}

/** Why a slot that PostgreSQL synchronises to this standby is not usable yet. */
export type SyncState = 'missing' | 'temporary' | 'unproven';

/** What must be remembered for PostgreSQL's own synchronisation of slots (`native-memory.ts`). */
export interface NativeMemory {
  /** Standby: the timeline for which `synced` and `waiting` are good. */
  readonly timeline: number | null;
  readonly synced: ReadonlyMap<string, SyncedFrom>;
  /** Standby: the slots that PostgreSQL has not made usable yet, and since when they are the same, in the same state. */
  readonly waiting: { readonly slots: ReadonlyMap<string, SyncState>; readonly sinceMs: number };
  /** Standby: where those begin on the primary, as one text, and since when there. */
  readonly waitingFor: { readonly starts: string; readonly sinceMs: number };
  /** Standby: when slots were last synchronised on our request. */
  readonly syncedAtMs: number | null;
  /** Standby: since when a slot that PostgreSQL keeps is behind what is published and received; null = none is. */
  readonly behindSinceMs: number | null;
  /** Standby: when settings were changed of which no effect has been seen: such a change is not made again in a loop. */
  readonly settings: ReadonlyMap<string, number>;
  /** Standby: when it was last seen to stream from another standby; null = never in this run of the agent. */
  readonly cascadeUntilMs: number | null;
  /** Since when this standby has streamed from another one; null = it does not. */
  readonly cascadeSinceMs: number | null;
  /** Primary: slots that were marked for synchronisation before the promotion, and are not any more. */
  readonly marked: readonly string[];
  /** Primary: slots that are marked for synchronisation and that nobody uses. */
  readonly idle: ReadonlyMap<string, IdleSlot>;
}

/** What operators have asked of this member and what became of it (`requests.ts`). */
export interface RequestMemory {
  /** A restart that waits for its time; it is void once the server has been started for another reason. */
  readonly scheduled: { readonly request: RestartRequest; readonly serverStartedAtWallMs: number | null } | null;
  /** A restart that is to be done now. `id` null = it had been scheduled. */
  readonly restart: {
    readonly id: number | null;
    readonly request: RestartRequest;
    readonly sinceMs: number;
    /** The server is being stopped and started for it, or has been. */
    readonly isBegun: boolean;
    /** When the server had been started; it is done once a later look finds it. */
    readonly startedAtMs: number | null;
  } | null;
  /**
   * For how long the server may be down, as the restart that stopped it asks for; null = `primary_start_timeout`. Stays until
   * the server is up.
   */
  readonly startTimeoutSeconds: number | null;
  /** The configuration is to be written and read again, also where nothing seems to have changed. */
  readonly reload: { readonly sinceMs: number } | null;
  /** A fresh copy is wanted: first the data has to go, then it is copied. */
  readonly reinitialize: {
    readonly id: number;
    readonly fromLeader: boolean;
    /** A copy that ran already is ended for it. */
    readonly force: boolean;
    readonly sinceMs: number;
    readonly step: 'remove' | 'copy';
  } | null;
  /** By the request's id; of the newest requests only. */
  readonly outcomes: ReadonlyMap<number, RequestOutcome>;
}

/** What must be remembered to lead, or to take part in the race for it (`lead-memory.ts`). */
export interface LeadMemory {
  /** The newest term of ours that is over, whatever is read of it later (L1). */
  readonly deposed: { readonly term: number; readonly why: 'lease' | 'session' | 'key' | 'released' } | null;
  /** Who was last seen to hold the leader key. */
  readonly lastLeader: { readonly name: string; readonly term: number } | null;
  /** Nobody holds the leader key: since when, and the newest term that is known of. */
  readonly vacant: { readonly sinceMs: number; readonly after: number } | null;
  /**
   * When the pause ended that the cluster was in while nobody held that key, in which nobody stopped the former leader;
   * infinite = it still is, null = it was in none, or somebody holds the key.
   */
  readonly pausedUntilMs: number | null;
  /** Since when the former leader keeps nobody from that key; null = it does. */
  readonly openSinceMs: number | null;
  /** That key could not be taken all the same: the lock delay after a session that ended is not over. */
  readonly isKeyDelayed: boolean;
  /** The guard of the newest term in which the server may still be writable; null = it is not, or never led. */
  readonly guard: { readonly term: number; readonly deadlineMs: number; readonly session: string } | null;
  /** Since when nothing has shown that the server here accepts no writes; null = it was seen not to. */
  readonly mayWriteSinceMs: number | null;
  /** The configuration that the server was last given; null = not by this run of the agent. */
  readonly applied: ServerPlan | null;
  /** Settings that need a restart, as the server said when it was last configured. */
  readonly pendingRestart: PendingRestart;
  /** The term that is written down beside the data of a server that runs, as far as this run did it. */
  readonly recordedTerm: number | null;
  /**
   * The last leadership under which the data may have been written, as the last look at the disk said; null = none, or the
   * data has been replaced or has a later one since. What a former primary that runs as a standby is told by.
   */
  readonly writtenUnder: TermOnDisk | null;
  /** The cluster's configuration as it is noted beside the data; null = that has not been read yet. */
  readonly savedConfig: { readonly text: string | null } | null;
  /** Rewinds in a row after none of which the server has streamed, and when the last of them ended. */
  readonly rewound: { readonly count: number; readonly atMs: number } | null;
  /**
   * Standby cluster: the remote primary's WAL as last read, and when it was asked for; null = not since this server has its
   * data.
   */
  readonly remoteLine: { readonly line: RemoteLine; readonly atMs: number } | null;
  /** When a checkpoint before a hand-over last ended, well or not. */
  readonly checkpointedAtMs: number | null;
  /** The server has not answered since. */
  readonly downSinceMs: number | null;
  /** A standby has had nobody to stream from since. */
  readonly streamlessSinceMs: number | null;
  /** The operator's request that is there, and since when. */
  readonly request: { readonly index: number; readonly sinceMs: number } | null;
  /** The data that is here was made here as a new cluster of its own, and nobody has led with it since. */
  readonly isUnled: boolean;
  /** The timeline of the standby that last went for the leader key, and when. */
  readonly offered: { readonly timeline: number; readonly atMs: number } | null;
  /** The server was stopped to hand over in this term, and has not been seen as a standby since. */
  readonly handover: { readonly term: number } | null;
  /** Whom the server was last told to stream from: what has no effect is not repeated in a loop. */
  readonly followed: { readonly upstream: Upstream | null; readonly atMs: number } | null;
  /**
   * Leader: whom the key `sync` may list besides those that it was read to list: what was to be written over its version
   * `index`, whatever became of the answers; null = what was read is what it says.
   */
  readonly syncAttempted: { readonly index: number; readonly standbys: readonly string[] } | null;
  /** Primary: standbys whose confirmation commits wait for, and where the WAL was when that was first seen. */
  readonly synchronous: ReadonlyMap<string, Lsn>;
  /** The other members' physical slots, and when each member was last there (`member-slots.ts`). */
  readonly memberSlots: ReadonlyMap<string, number>;
  readonly failsafe: FailsafeMemory;
}

export interface Memory {
  readonly requests: RequestMemory;
  readonly lead: LeadMemory;
  readonly slots: ReadonlyMap<string, SlotMemory>;
  /** The primary's timeline when the marks `protectedFrom` were taken: another primary protected other rows. */
  readonly marksTimeline: number | null;
  /** When a followed slot was last seen to move: looks are quick while slots move. */
  readonly movedAtMs: number | null;
  /** Where the consumer of each followed slot is, as published, and when that was last seen to change. */
  readonly consumers: ReadonlyMap<string, { readonly position: Lsn; readonly movedAtMs: number }>;
  /** Primary: when its WAL was last seen to grow: where there is load, new slots are to be expected. */
  readonly walMovedAtMs: number | null;
  /** Primary: when the running transactions were last logged for others. */
  readonly snapshotLoggedAtMs: number | null;
  /** Primary: the members that wait for that, and since when they are the same. */
  readonly awaitingSnapshot: { readonly members: string; readonly sinceMs: number };
  /** Primary: since when each declared logical slot is known to be missing here. */
  readonly uncreated: ReadonlyMap<string, number>;
  /** Kept while this server is a standby, and through the moment in which it is promoted. */
  readonly standing: Standing | null;
  /** This member's key as an earlier run of the agent left it; null once it has served, or when there was none. */
  readonly formerSelf: Member | null;
  /** A promotion that is not in `slot_history` yet. */
  readonly promotion: Promotion | null;
  /** Primary: where slots were that appeared since the agent looked first; tells a re-made slot from the old one. */
  readonly born: ReadonlyMap<string, Lsn>;
  /** The newest status that could be read: a key that is deleted or overwritten with junk loses no slot's history. */
  readonly lastStatus: Status | null;
  /** The same for `slot_history`: a record of lost changes outlives what is put over it by hand. */
  readonly lastSlotHistory: readonly SlotHistoryEntry[];
  /** `StatusExtras.membersIndex` as known before the newest look began, and a newer one that the next look will prove. */
  readonly membersIndex: { readonly proven: number; readonly next: number; readonly nextAtMs: number };
  /** Which followed slots this standby lacks, and since when the set is the same: new slots are batched. */
  readonly missing: { readonly names: string; readonly sinceMs: number };
  /** How often each slot was copied into this data lately: no slot restarts a standby in a loop. */
  readonly copies: ReadonlyMap<string, CopyMemory>;
  /** The last change of hot_standby_feedback: one that has no effect is not made again in a loop. */
  readonly feedback: { readonly mode: 'on' | 'reset'; readonly atMs: number } | null;
  readonly gate: GateMemory;
  readonly native: NativeMemory;
  readonly feedbackHurriedAtMs: number | null;
  /** Writes of `status` that may be done at once; refills with time. */
  readonly statusBudget: { readonly tokens: number; readonly atMs: number };
  readonly statusWrittenAtMs: number | null;
  readonly memberWrittenAtMs: number | null;
  readonly service: { readonly state: ServiceState; readonly atMs: number } | null;
  readonly checkReportedAtMs: number | null;
}

/**
 * Everything the agent knows at one moment. Unknown (null, `never`), absent (a key that is null in `keys`) and stale
 * (`contact` broken) are three different things.
 */
export interface View {
  readonly self: Self;
  readonly nowMs: number;
  readonly nowWallMs: number;
  readonly consul: { readonly contact: Contact; readonly keys: ClusterKeys | null };
  readonly session: SessionState;
  /** The last good cluster configuration; null = none was read since the agent started. */
  readonly config: DynamicConfig | null;
  readonly local: LocalView;
  /** What this agent remembers about its server; null = not read from disk yet. */
  readonly ledger: Ledger | null;
  readonly savedLedger: Ledger | null;
  readonly running: ReadonlyMap<string, Running>;
  readonly failures: ReadonlyMap<string, Failure>;
  /** Lanes whose last effect has not been observed yet: the plan leaves them alone until it has. */
  readonly unconfirmed: ReadonlyMap<string, Unconfirmed>;
  readonly memory: Memory;
  /** What can be said of the slots on this server, derived from the rest of the view. */
  readonly verdicts: readonly SlotVerdict[];
  /** Problems that the adapters reported (bad TTL, unreadable ledger, …), by code. */
  readonly reported: ReadonlyMap<string, Problem>;
}
