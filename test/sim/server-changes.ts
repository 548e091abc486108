import type { Lsn } from '../../src/domain/lsn.ts';
import type { SettingChange } from '../../src/domain/server.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';

/** What an agent did to a server, told at the moment at which it takes effect. */
export interface ServerChanges {
  readonly moved: (server: PgServer, slot: string, from: Lsn, to: Lsn) => void;
  /** The consumer's own slot on the primary was moved past WAL that is said to hold nothing for it. */
  readonly movedIdle: (server: PgServer, slot: LogicalPgSlot, from: Lsn, to: Lsn) => void;
  readonly created: (server: PgServer, slot: string) => void;
  /** By a file copy. */
  readonly copied: (server: PgServer, slot: LogicalPgSlot, from: PgServer) => void;
  readonly templated: (server: PgServer, slot: LogicalPgSlot, template: string) => void;
  /** Told before the slot is gone. */
  readonly dropped: (server: PgServer, slot: string, type: 'logical' | 'physical') => void;
  readonly marked: (server: PgServer, slot: LogicalPgSlot, failover: boolean) => void;
  /** Told before the settings are changed. */
  readonly altered: (server: PgServer, changes: readonly SettingChange[]) => void;
  /** The server is stopped for a file copy. */
  readonly stopped: (server: PgServer) => void;
}
