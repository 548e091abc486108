import type { Lsn } from '../../src/domain/lsn.ts';
import type { FullXid } from './wal.ts';

/** What of a logical slot is in its state file. */
export interface SavedPosition {
  readonly confirmed: Lsn;
  readonly restart: Lsn;
  readonly catalogXmin: FullXid;
  readonly needsRowsFrom: FullXid;
}

export interface LogicalPgSlot {
  readonly type: 'logical';
  readonly name: string;
  readonly database: string;
  readonly plugin: string;
  /** Made by PostgreSQL's own synchronisation and not persistent yet: gone with the worker, a promotion, a restart. */
  temporary: boolean;
  confirmed: Lsn;
  restart: Lsn;
  catalogXmin: FullXid;
  /**
   * What decoding from it really needs. A new slot takes over the oldest catalog_xmin of any slot, which may ask for rows
   * that are long gone and that it has no use for.
   */
  needsRowsFrom: FullXid;
  /** Follows the positions when restart or catalog_xmin move, at checkpoints and at a clean stop (FACTS 2). */
  saved: SavedPosition;
  active: boolean;
  /** Still being made: it is visible and in use, has no position for a consumer, and goes away if its maker does. */
  creating: boolean;
  /** Catalog rows from here on are there for a slot that is being made. */
  readonly horizon: FullXid;
  invalidation: string | null;
  /** PostgreSQL 17+: to be synchronised by PostgreSQL itself. */
  failover: boolean;
  /** PostgreSQL 17+: made by PostgreSQL's own synchronisation; stays true after a promotion. */
  readonly synced: boolean;
  /** Tells this server's slot from any other, also from copies of it elsewhere. */
  readonly identity: string;
  /** The identity of the slot that this one is a copy of, directly or through others. */
  readonly origin: string;
  readonly madeBy: 'agent' | 'operator' | 'postgres';
}

export interface PhysicalPgSlot {
  readonly type: 'physical';
  readonly name: string;
  restart: Lsn | null;
  xmin: FullXid | null;
  catalogXmin: FullXid | null;
  active: boolean;
  invalidation: string | null;
  readonly madeBy: 'agent' | 'operator';
}

export type PgSlot = LogicalPgSlot | PhysicalPgSlot;

export function savedOf(slot: LogicalPgSlot): SavedPosition {
  const { confirmed, restart, catalogXmin, needsRowsFrom } = slot;
  return { confirmed, restart, catalogXmin, needsRowsFrom };
}

/** Takes on what decoding brought, forward only; the state file follows when restart or catalog_xmin moved. */
export function moveSlot(slot: LogicalPgSlot, confirmed: Lsn, restart: Lsn | null, catalogXmin: FullXid | null): void {
  if (confirmed > slot.confirmed) slot.confirmed = confirmed;
  const restartMoves = restart !== null && restart > slot.restart;
  const xminMoves = catalogXmin !== null && catalogXmin > slot.catalogXmin;
  if (restartMoves) slot.restart = restart;
  if (xminMoves) {
    slot.catalogXmin = catalogXmin;
    slot.needsRowsFrom = Math.max(slot.needsRowsFrom, catalogXmin);
  }
  if (restartMoves || xminMoves) slot.saved = savedOf(slot);
}

/**
 * What a standby's feedback does to its slot on the server above (`PhysicalReplicationSlotNewXmin`): an xmin never goes
 * back, it can only be given up and taken anew.
 */
export function takeFeedback(slot: PhysicalPgSlot, xmin: FullXid | null, catalogXmin: FullXid | null): void {
  slot.xmin = forward(slot.xmin, xmin);
  slot.catalogXmin = forward(slot.catalogXmin, catalogXmin);
}

function forward(present: FullXid | null, next: FullXid | null): FullXid | null {
  return present === null || next === null || present < next ? next : present;
}

export function least<T extends Lsn | FullXid>(values: Iterable<T | null>): T | null {
  let smallest: T | null = null;
  for (const value of values) if (value !== null && (smallest === null || value < smallest)) smallest = value;
  return smallest;
}
