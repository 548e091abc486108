import type { CopyRequest, CopyResult, Ledger, TimelineSwitch } from '../domain/local.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { Role, ServerLook, ServerTrouble, SettingChange } from '../domain/server.ts';

/**
 * The PostgreSQL server beside the agent. `client.ts` and `control.ts` are the real one; the simulator has its own.
 * Every call is over soon after its signal is aborted.
 */
export interface LocalServer {
  /** One look at everything. Throws ServerError when the server cannot be asked. */
  look(signal: AbortSignal): Promise<ServerLook>;
  /**
   * Calls `heard` whenever the server, or something on the way to it, has ended the connection that looks are made on:
   * then it is going, or gone. Returns what ends that.
   */
  onLost(heard: () => void): () => void;
  /** The file of the current timeline's history on a primary; empty on timeline 1. */
  timelineHistory(timeline: number, signal: AbortSignal): Promise<readonly TimelineSwitch[]>;

  /**
   * Creates the slot unless a slot of that name exists (idempotent inside the statement). On a primary it waits for the
   * transactions that run, on a standby (16+) for the primary to log which do. `failover` needs PostgreSQL 17.
   */
  createLogicalSlot(
    slot: { name: string; database: string; plugin: string; failover?: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * On a standby (16+): copies the logical slot `template` under the name `name`, unless that exists, and advances the
   * copy to at most `target`, never past what is replayed here; resolves to where it is then. On a server that is no
   * standby any more it throws and changes nothing. A copy whose advance fails stays.
   */
  copyFromTemplate(
    slot: { name: string; template: string; database: string; plugin: string; target: Lsn },
    signal: AbortSignal,
  ): Promise<Lsn>;
  /** `pg_log_standby_snapshot()` on a primary (16+). */
  logStandbySnapshot(signal: AbortSignal): Promise<void>;
  /** `ALTER_REPLICATION_SLOT` (17+) on a replication connection; throws 55006 while the slot is in use instead of waiting. */
  setFailover(slot: { name: string; failover: boolean }, signal: AbortSignal): Promise<void>;
  /**
   * On a primary: moves an idle logical slot to the present end of the WAL if nothing between its position and there is
   * for its consumer; resolves to where it is then, null = changes wait for the consumer, or it cannot be told.
   */
  moveIdleSlot(slot: { name: string; database: string; plugin: string }, signal: AbortSignal): Promise<Lsn | null>;
  /** `pg_sync_replication_slots()` (17+), unless PostgreSQL's own worker is at it. */
  syncSlots(signal: AbortSignal): Promise<void>;
  /** Creates the slot with WAL reserved at once, unless a slot of that name exists. */
  createPhysicalSlot(slot: { name: string }, signal: AbortSignal): Promise<void>;
  /**
   * Moves a slot forward to at most `target`, never past what this standby has replayed and never backward; resolves
   * to where the slot is now. On a connection of its own: an advance can hang (FACTS 2).
   */
  advanceLogicalSlot(slot: { name: string; database: string; target: Lsn }, signal: AbortSignal): Promise<Lsn>;
  advancePhysicalSlot(slot: { name: string; target: Lsn }, signal: AbortSignal): Promise<Lsn>;
  /**
   * Drops the slot unless it is active, temporary, or gone, or the server is not in that role; resolves to whether it is
   * gone now.
   */
  dropSlot(slot: { name: string; type: 'logical' | 'physical'; role?: Role }, signal: AbortSignal): Promise<boolean>;
  /** `ALTER SYSTEM SET hot_standby_feedback = on`, or RESET, and a reload. */
  setFeedback(mode: 'on' | 'reset', signal: AbortSignal): Promise<void>;
  /** `ALTER SYSTEM SET` or `RESET` of each, and one reload. */
  alterSettings(changes: readonly SettingChange[], signal: AbortSignal): Promise<void>;
  /** Puts `dbname` into `primary_conninfo` where it has none, and reloads. The rest of it, with its password, stays. */
  setUpstreamDatabase(database: string, signal: AbortSignal): Promise<void>;

  /**
   * The file copy: reads the slots' state files and the snapshots of their restart positions from the primary, stops
   * this server, puts them in place, starts it again. Slots that cannot be read are left out and reported; nothing is
   * stopped when none can. A crash at any point leaves each slot either as it was or complete, and `copyWasInterrupted` true.
   */
  copySlots(request: CopyRequest, signal: AbortSignal): Promise<CopyResult>;
  /** Whether an earlier agent stopped the server for a copy and did not start it again. */
  copyWasInterrupted(): Promise<boolean>;
  /** Starts the server after an interrupted copy. */
  startAfterCopy(signal: AbortSignal): Promise<void>;

  /**
   * What was remembered of this server; empty when nothing was, or the file is another server's. Only after a look: the
   * ledger is the one of the system identifier that was seen. Throws LedgerError when there is a file that cannot be read.
   */
  readLedger(): Promise<Ledger>;
  writeLedger(ledger: Ledger): Promise<void>;
  /** Closes connections. */
  close(): Promise<void>;
}

/** The server could not be asked, or refused. `sqlstate` null = no answer from the server. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly trouble: ServerTrouble;
  readonly sqlstate: string | null;

  constructor(message: string, trouble: ServerTrouble, sqlstate: string | null, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
    this.sqlstate = sqlstate;
  }
}

/** What was remembered cannot be read any more; `empty` is what to go on with. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly empty: Ledger;

  constructor(message: string, empty: Ledger, options?: ErrorOptions) {
    super(message, options);
    this.empty = empty;
  }
}
