import type { Lsn } from './lsn.ts';
import type { AlterableSetting } from './server.ts';

/** The end of a timeline, as the history file of a later one tells it. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly lsn: Lsn;
  readonly reason: string;
}

export interface CopyRequest {
  /** Connection URL of the primary as its member key gives it; the agent's own credentials are added. */
  readonly primaryUrl: string;
  readonly slots: readonly { readonly name: string; readonly database: string; readonly plugin: string }[];
  /** Logical slots of this server to remove in the same restart, because they are to be replaced. */
  readonly replace: readonly string[];
}

export interface CopiedSlot {
  readonly name: string;
  readonly restartLsn: Lsn;
  /** `none` = the primary has no snapshot there either: decoding on it would start the same way (FACTS 2). */
  readonly snapshot: 'copied' | 'none';
}

export interface CopyResult {
  readonly copied: readonly CopiedSlot[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  /** How long the server refused connections; 0 = it was not stopped. */
  readonly downMs: number;
}

/**
 * What the agent must remember about this server across restarts of its own; a file in the data directory, valid only
 * for the member and the system identifier that it names, but for `settingsSet`: settings go where the data is copied to.
 */
export interface Ledger {
  readonly member: string;
  readonly systemIdentifier: string;
  readonly slots: ReadonlyMap<string, LedgerSlot>;
  /** slotkeeper switched hot_standby_feedback on here. */
  readonly feedbackSet: boolean;
  /** The settings that slotkeeper changed here: only those are ever taken back. */
  readonly settingsSet: readonly AlterableSetting[];
}

export interface LedgerSlot {
  /** Made by slotkeeper because it is declared. */
  readonly made: boolean;
  /**
   * Decoding here is known to start right: the slot was made on this server, or came with its snapshot, or starts where no
   * transaction ran, or has moved its restart position on this server (FACTS 2).
   */
  readonly decodable: boolean;
  /** The restart position when the slot was first seen here: a later one proves that it has moved. */
  readonly firstRestartLsn: Lsn | null;
  readonly incarnation: Lsn | null;
  /** `LogicalSlot.identity` as last seen: another one under the same name is another slot. */
  readonly identity: string | null;
}
