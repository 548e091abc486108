import type { Lsn } from './lsn.ts';
import type { Slot } from './slot.ts';

export type Role = 'primary' | 'standby';

/** What a standby says of the stream it receives (`pg_stat_wal_receiver`). */
export interface WalReceiver {
  readonly status: string;
  readonly senderHost: string | null;
  readonly senderPort: number | null;
  readonly slotName: string | null;
  readonly receivedTimeline: number | null;
}

/** One row of `pg_stat_replication`. */
export interface ReplicationClient {
  readonly applicationName: string;
  readonly clientAddress: string | null;
  readonly state: string;
  readonly syncState: string;
  readonly sentLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  readonly slotName: string | null;
}

/** The settings that slotkeeper's decisions rest on. */
export interface ServerSettings {
  readonly walLevel: string;
  readonly maxReplicationSlots: number;
  readonly maxWalSenders: number;
  readonly hotStandbyFeedback: boolean;
  /** Empty = streams without a slot. */
  readonly primarySlotName: string;
  /** Whether there is a `restore_command`; false below PostgreSQL 12, where it can't be asked for. */
  readonly restoresFromArchive: boolean;
  /** Where `primary_conninfo` points; never the whole string, it holds a password. */
  readonly upstreamHost: string | null;
  readonly upstreamPort: number | null;
  /** `dbname` in `primary_conninfo`; null = it has none, or may not be seen. */
  readonly upstreamDatabase: string | null;
  /** Whether `primary_conninfo` holds a password; false = it has none, or may not be seen. */
  readonly conninfoHasPassword: boolean;
  /** PostgreSQL 17+; null below. */
  readonly syncReplicationSlots: boolean | null;
  /** `synchronized_standby_slots`, PostgreSQL 17+; null below. Names, in the order in which they stand there. */
  readonly synchronizedStandbySlots: readonly string[] | null;
  /** The settings of the extension pg_failover_slots where it is loaded. */
  readonly failoverSlotsExtension: FailoverSlotsExtension | null;
  /** `max_slot_wal_keep_size`; null = unlimited, or older than PostgreSQL 13. */
  readonly maxSlotWalKeepBytes: bigint | null;
}

/** The gate of the extension pg_failover_slots. */
export interface FailoverSlotsExtension {
  readonly standbySlotNames: readonly string[];
  readonly standbySlotsMinConfirmed: number;
}

/** A setting that the agent may change with ALTER SYSTEM and a reload, none of which needs a restart (FACTS 4). */
export type AlterableSetting =
  | 'sync_replication_slots'
  | 'primary_slot_name'
  | 'synchronized_standby_slots'
  | 'pg_failover_slots.standby_slot_names'
  | 'pg_failover_slots.standby_slots_min_confirmed';

/** `value` null = RESET: what the configuration files say counts again. */
export interface SettingChange {
  readonly name: AlterableSetting;
  readonly value: string | null;
}

/** What the agent's own database role may do. */
export interface Privileges {
  readonly superuser: boolean;
  readonly replication: boolean;
  /** May execute `pg_read_binary_file(text)`: needed on the primary by the file copy. */
  readonly readBinaryFile: boolean;
  /** May see other users' replication rows (`pg_monitor` or superuser). */
  readonly monitor: boolean;
  /** May execute `pg_log_standby_snapshot()`, PostgreSQL 16+; false below. Needed on the primary by templates. */
  readonly logStandbySnapshot: boolean;
}

/** Everything that one look at the local server tells, at one moment. */
export interface ServerLook {
  readonly systemIdentifier: string;
  /** `server_version_num`, e.g. 150018. */
  readonly versionNum: number;
  readonly role: Role;
  readonly timeline: number;
  readonly startedAtWallMs: number;
  /** Primary: `pg_current_wal_lsn()`, written. Standby: null. */
  readonly currentLsn: Lsn | null;
  /** Standby: the highest received (flushed) and replayed positions. Primary: null. */
  readonly receivedLsn: Lsn | null;
  readonly replayedLsn: Lsn | null;
  readonly replayPaused: boolean;
  readonly replayedAtWallMs: number | null;
  readonly receiver: WalReceiver | null;
  readonly settings: ServerSettings;
  readonly privileges: Privileges;
  readonly slots: readonly Slot[];
  readonly replication: readonly ReplicationClient[];
  /** Names of the databases that exist and allow connections. */
  readonly databases: readonly string[];
}

/** How far this server is: what it has written (primary) or replayed (standby). */
export function positionOf(look: ServerLook): Lsn | null {
  return look.role === 'primary' ? look.currentLsn : look.replayedLsn;
}

/** The end of the WAL that this server has, replayed or not: what Patroni calls a member's `xlog_location`. */
export function furthestOf({ role, currentLsn, receivedLsn, replayedLsn }: ServerLook): Lsn | null {
  if (role === 'primary') return currentLsn;
  if (receivedLsn === null || replayedLsn === null) return receivedLsn ?? replayedLsn;
  return receivedLsn > replayedLsn ? receivedLsn : replayedLsn;
}

/** Patroni's words for where a standby gets its WAL from; null = a primary, or a standby that gets none. */
export function replicationStateOf({ role, receiver, settings }: ServerLook): string | null {
  if (role === 'primary') return null;
  if (receiver?.status === 'streaming') return 'streaming';
  return settings.restoresFromArchive ? 'in archive recovery' : null;
}

/** Why a look failed, as far as it can be told apart. */
export type ServerTrouble = 'not_running' | 'starting' | 'stopping' | 'refused' | 'timeout' | 'other';
