import type { Lsn } from './lsn.ts';
import type { Xid } from './xid.ts';

/** PostgreSQL's rule for slot names (`ReplicationSlotValidateName`). */
export const slotNamePattern = /^[a-z0-9_]{1,63}$/;

/** Slots that a subscription makes for the time of a table's first copy: never copied, never dropped by us. */
export const tableSyncSlotPattern = /^pg_[0-9]+_sync_[0-9]+_[0-9]+$/;

/**
 * The name of a member's physical slot, Patroni's rule: lower case, `-` and `.` become `_`, anything else its code
 * point in hexadecimal (`uXXXX`), at most 63 characters. Two members can collide.
 */
export function slotNameFromMemberName(member: string): string {
  let name = '';
  for (const char of member.toLowerCase()) name += allowedFor(char);
  return name.slice(0, 63);
}

/** The character, or what stands in a slot's name for one that it cannot have. */
function allowedFor(char: string): string {
  if ((char >= 'a' && char <= 'z') || (char >= '0' && char <= '9') || char === '_') return char;
  if (char === '-' || char === '.') return '_';
  return `u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}

/** `pg_replication_slots.wal_status`; null on a slot that reserves nothing. */
export type WalStatus = 'reserved' | 'extended' | 'unreserved' | 'lost';

/** A logical slot as its server shows it, and what the agent beside that server sees of it on disk. */
export interface LogicalSlot {
  readonly type: 'logical';
  readonly name: string;
  readonly database: string;
  readonly plugin: string;
  readonly confirmedFlushLsn: Lsn | null;
  readonly restartLsn: Lsn | null;
  readonly catalogXmin: Xid | null;
  readonly active: boolean;
  readonly temporary: boolean;
  readonly twoPhase: boolean;
  readonly walStatus: WalStatus | null;
  /** Why PostgreSQL will not decode from it any more, in PostgreSQL's words where it has any; null = it will. */
  readonly invalidation: string | null;
  /** PostgreSQL 17+: marked for PostgreSQL's own synchronisation. */
  readonly failover: boolean;
  /** PostgreSQL 17+: made by PostgreSQL's own synchronisation (stays true after a promotion). */
  readonly synced: boolean;
  /**
   * Tells this slot from another one that is made under its name later; lasts as long as the slot, over restarts of the
   * server too. Null = could not be looked at.
   */
  readonly identity: string | null;
  /** Whether the serialized snapshot of `restartLsn` is on this server's disk; null = could not be looked at. */
  readonly snapshotOnDisk: boolean | null;
  /**
   * Whether decoding that starts at `restartLsn` needs no snapshot: the WAL says that no transaction ran there. Null = could
   * not be looked at, or was not since the snapshot is there.
   */
  readonly startsWithoutSnapshot: boolean | null;
  /** Whether the WAL segment that holds `restartLsn` is on this server's disk; null = could not be looked at. */
  readonly walOnDisk: boolean | null;
}

/** Why PostgreSQL will not decode from the slot any more; null = it will. */
export function invalidationOf(slot: LogicalSlot): string | null {
  return slot.invalidation ?? (slot.walStatus === 'lost' ? 'wal_removed' : null);
}

export interface PhysicalSlot {
  readonly type: 'physical';
  readonly name: string;
  /** Null = nothing reserved yet: such a slot cannot be advanced. */
  readonly restartLsn: Lsn | null;
  readonly xmin: Xid | null;
  readonly catalogXmin: Xid | null;
  readonly active: boolean;
  readonly temporary: boolean;
  readonly walStatus: WalStatus | null;
}

export type Slot = LogicalSlot | PhysicalSlot;

/** A slot that operators declared in the cluster configuration (`slots`). */
export type DeclaredSlot =
  | {
      readonly type: 'logical';
      readonly database: string;
      readonly plugin: string;
      /** PostgreSQL 17+: to be marked for PostgreSQL's own synchronisation, whatever the method is. */
      readonly failover?: boolean;
    }
  | { readonly type: 'physical' };

/** What can be said of one slot on one server. Only `ready` promises that a consumer would miss nothing (S2). */
export type Verdict =
  | { readonly kind: 'ready' }
  | { readonly kind: 'not_ready'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'orphan'; readonly reason: string }
  | { readonly kind: 'ahead'; readonly reason: string };

export type VerdictKind = Verdict['kind'];

/** How a logical slot gets onto a standby and moves there. */
export type Method = 'file_copy' | 'template' | 'native';

/** A verdict with the position it was given for. */
export interface SlotVerdict {
  readonly slot: string;
  readonly type: 'logical' | 'physical';
  readonly verdict: Verdict;
  /** `confirmed_flush_lsn` or `restart_lsn` on this server; null = the slot is not there or reserves nothing. */
  readonly position: Lsn | null;
  /** On a followed slot of a standby: how it gets there. Absent anywhere else. */
  readonly method?: Method;
}

/** A range of WAL that a consumer can no longer get from its slot. `to` null = not known, or still open. */
export interface Gap {
  readonly slot: string;
  readonly from: Lsn;
  readonly to: Lsn | null;
  readonly why: string;
}
