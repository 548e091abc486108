import type { CopyRequest, CopyResult, Ledger, TimelineSwitch } from '../domain/local.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook, ServerTrouble } from '../domain/server.ts';

/**
 * The PostgreSQL server beside the agent. `client.ts` and `control.ts` are the real one; the simulator has its own.
 * Every call is over soon after its signal is aborted.
 */
export interface LocalServer {
  /** One look at everything. Throws ServerError when the server cannot be asked. */
  look(signal: AbortSignal): Promise<ServerLook>;
  /** The file of the current timeline's history on a primary; empty on timeline 1. */
  timelineHistory(timeline: number, signal: AbortSignal): Promise<readonly TimelineSwitch[]>;

  /** Creates the slot unless a slot of that name exists (idempotent inside the statement). */
  createLogicalSlot(slot: { name: string; database: string; plugin: string }, signal: AbortSignal): Promise<void>;
  /** Creates the slot with WAL reserved at once, unless a slot of that name exists. */
  createPhysicalSlot(slot: { name: string }, signal: AbortSignal): Promise<void>;
  /**
   * Moves a slot forward to at most `target`, never past what this standby has replayed and never backward; resolves
   * to where the slot is now. On a connection of its own: an advance can hang (FACTS 2).
   */
  advanceLogicalSlot(slot: { name: string; database: string; target: Lsn }, signal: AbortSignal): Promise<Lsn>;
  advancePhysicalSlot(slot: { name: string; target: Lsn }, signal: AbortSignal): Promise<Lsn>;
  /** Drops the slot unless it is active, temporary, or gone; resolves to whether it is gone now. */
  dropSlot(slot: { name: string; type: 'logical' | 'physical' }, signal: AbortSignal): Promise<boolean>;
  /** `ALTER SYSTEM SET hot_standby_feedback = on`, or RESET, and a reload. */
  setFeedback(mode: 'on' | 'reset', signal: AbortSignal): Promise<void>;

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
