import type { Lsn } from '../../src/domain/lsn.ts';
import type { FullXid } from './wal.ts';

/** What of a logical slot is in its state file. */
export interface SavedPosition {
  readonly confirmed: Lsn;
  readonly restart: Lsn;
  readonly catalogXmin: FullXid;
}

export interface LogicalPgSlot {
  readonly type: 'logical';
  readonly name: string;
  readonly database: string;
  readonly plugin: string;
  readonly temporary: boolean;
  confirmed: Lsn;
  restart: Lsn;
  catalogXmin: FullXid;
  /** Follows the positions when restart or catalog_xmin move, at checkpoints and at a clean stop (FACTS 2). */
  saved: SavedPosition;
  active: boolean;
  /** Still being made: it is visible and in use, and goes away if its maker does. */
  creating: boolean;
  invalidation: string | null;
  /** Tells the slot from any other of its name; copies share it. */
  readonly origin: number;
  readonly madeBy: 'agent' | 'operator';
}

export interface PhysicalPgSlot {
  readonly type: 'physical';
  readonly name: string;
  restart: Lsn | null;
  xmin: FullXid | null;
  catalogXmin: FullXid | null;
  active: boolean;
  readonly madeBy: 'agent' | 'operator';
}

export type PgSlot = LogicalPgSlot | PhysicalPgSlot;

export function savedOf(slot: LogicalPgSlot): SavedPosition {
  return { confirmed: slot.confirmed, restart: slot.restart, catalogXmin: slot.catalogXmin };
}

/** Takes on what decoding brought, forward only; the state file follows when restart or catalog_xmin moved. */
export function moveSlot(slot: LogicalPgSlot, confirmed: Lsn, restart: Lsn | null, catalogXmin: FullXid | null): void {
  if (confirmed > slot.confirmed) slot.confirmed = confirmed;
  const restartMoves = restart !== null && restart > slot.restart;
  const xminMoves = catalogXmin !== null && catalogXmin > slot.catalogXmin;
  if (restartMoves) slot.restart = restart;
  if (xminMoves) slot.catalogXmin = catalogXmin;
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
