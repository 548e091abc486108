import type { Lsn } from '../../src/domain/lsn.ts';
import { Decoding } from './decoding.ts';
import type { PgServer } from './pg-server.ts';
import { least, type LogicalPgSlot, savedOf } from './pg-slot.ts';
import type { Branch, FullXid } from './wal.ts';

// How a logical slot comes to be on a server, other than by a file copy.

export interface WantedSlot {
  readonly name: string;
  readonly database: string;
  readonly plugin: string;
  readonly failover?: boolean;
  readonly madeBy: 'agent' | 'operator';
}

/** Begins to make a slot: it reserves WAL and catalog rows, and is in use until `finishSlot` says that it is done. */
export function beginSlot(server: PgServer, wanted: WantedSlot): LogicalPgSlot {
  const restart = server.position;
  if (server.role === 'primary') server.logRunning();
  const catalogXmin = oldestSafeXid(server);
  const needsRowsFrom = Math.max(catalogXmin, least(server.running.keys()) ?? server.nextXid);
  const identity = server.nextSlotIdentity();
  const slot: LogicalPgSlot = {
    type: 'logical',
    name: wanted.name,
    database: wanted.database,
    plugin: wanted.plugin,
    temporary: false,
    confirmed: restart,
    restart,
    catalogXmin,
    needsRowsFrom,
    saved: { confirmed: restart, restart, catalogXmin, needsRowsFrom },
    active: true,
    creating: true,
    horizon: catalogXmin,
    invalidation: null,
    failover: wanted.failover === true,
    synced: false,
    identity,
    origin: identity,
    madeBy: wanted.madeBy,
  };
  server.slots.set(slot.name, slot);
  return slot;
}

/**
 * Whether the new slot has become usable: it waits for all transactions that ran when it was asked for, and for records
 * that say so. A primary logs those itself; a standby can only wait for its primary to log them (FACTS 2).
 */
export function finishSlot(server: PgServer, slot: LogicalPgSlot): boolean {
  if (server.role === 'primary') server.logRunning();
  const run = decodingFor(server, slot).advance(server.position, (xid) => server.running.has(xid));
  if (run.readyAt === null) return false;
  slot.confirmed = run.readyAt;
  slot.creating = false;
  slot.active = false;
  slot.saved = savedOf(slot);
  return true;
}

/** How far making each slot has come: from its start anew at each look would be most of the simulator's work. */
const begun = new WeakMap<LogicalPgSlot, { readonly branch: Branch; readonly decoding: Decoding }>();

function decodingFor(server: PgServer, slot: LogicalPgSlot): Decoding {
  const { branch } = server;
  const known = begun.get(slot);
  if (known?.branch === branch) return known.decoding;
  // A new slot does not begin from another slot's snapshot: what runs now would be decoded in part only.
  const start = { ...server.decodingStart(slot), snapshots: new Set<Lsn>(), horizon: slot.horizon };
  const decoding = new Decoding(start);
  begun.set(slot, { branch, decoding });
  return decoding;
}

/** `pg_copy_logical_replication_slot`: the same positions under another name, and another plugin if one is given. */
export function copySlot(server: PgServer, source: LogicalPgSlot, wanted: WantedSlot): LogicalPgSlot {
  const identity = server.nextSlotIdentity();
  const slot: LogicalPgSlot = {
    ...source,
    name: wanted.name,
    plugin: wanted.plugin,
    active: false,
    failover: false,
    synced: false,
    identity,
    origin: identity,
    madeBy: wanted.madeBy,
  };
  slot.saved = savedOf(slot);
  server.slots.set(slot.name, slot);
  return slot;
}

/**
 * From which xid on catalog rows are sure to be kept for a new slot (`GetOldestSafeDecodingTransactionId`). A standby
 * knows nothing of what runs on the primary: only what its own slots hold already is older than the next xid there.
 */
export function oldestSafeXid(server: PgServer): FullXid {
  const held = [...server.slots.values()].map((slot) => (slot.invalidation === null ? slot.catalogXmin : null));
  const running = server.role === 'primary' ? [...server.running.keys()] : [];
  return least([server.nextXid, ...held, ...running]) ?? server.nextXid;
}
