import { majorOf } from '../../src/domain/version.ts';
import { decode } from './decoding.ts';
import type { PgServer } from './pg-server.ts';
import { type LogicalPgSlot, moveSlot, savedOf } from './pg-slot.ts';
import type { Random } from './random.ts';
import { oldestSafeXid } from './slot-creation.ts';
import type { VirtualTime } from './virtual-time.ts';

/** PostgreSQL's own synchronisation stopped with an error; all slots wait until it is begun again. */
export class SyncError extends Error {
  override readonly name = 'SyncError';
}

const firstNapMs = 200;
const longestNapMs = 30_000;

/** Why this standby does not synchronise slots now; null = it does. */
export function syncObstacle(standby: PgServer): string | null {
  if (majorOf(standby.setup.versionNum) < 17) return 'PostgreSQL is older than 17';
  if (!standby.settings.syncOn) return 'sync_replication_slots is off';
  return syncRequirement(standby);
}

/** What `pg_sync_replication_slots()` asks for, too. */
export function syncRequirement(standby: PgServer): string | null {
  if (standby.role !== 'standby' || standby.state !== 'up') return 'it is no standby that runs';
  if (standby.setup.walLevel !== 'logical') return 'wal_level must be logical';
  if (!standby.feedbackOn) return 'hot_standby_feedback must be enabled';
  if (standby.primarySlotName === '') return 'primary_slot_name must be set';
  if (standby.upstreamDatabase === null) return 'dbname must be specified in primary_conninfo';
  if (standby.upstream?.state !== 'up') return 'the primary does not answer';
  if (standby.upstream.role !== 'primary') return 'cannot synchronize replication slots from a standby server';
  if (standby.upstream.slots.get(standby.primarySlotName)?.type !== 'physical') return 'the primary has no such slot';
  return null;
}

/**
 * One pass over the primary's failover slots, as in `slotsync.c`: slots that are gone there are dropped, new ones are
 * made as temporary ones, those that have caught up are made persistent, all others are updated. Answers whether
 * anything changed; throws SyncError where PostgreSQL ends the pass.
 */
export function syncOnce(standby: PgServer, primary: PgServer): boolean {
  const sources = primary.logicalSlots().filter((slot) => slot.failover && !slot.temporary && !slot.creating);
  let changed = false;
  for (const local of standby.logicalSlots()) {
    if (!local.synced || (local.active && !local.temporary)) continue;
    const source = sources.find((slot) => slot.name === local.name);
    const isBetterThere = source?.invalidation === null && local.invalidation !== null;
    if (source === undefined || isBetterThere) changed = standby.slots.delete(local.name);
  }
  for (const source of sources) changed = syncSlot(standby, source) || changed;
  return changed;
}

function syncSlot(standby: PgServer, source: LogicalPgSlot): boolean {
  // What is not replayed yet cannot be decoded.
  if (source.confirmed > standby.replayed) return false;
  const local = standby.slots.get(source.name);
  if (local !== undefined && (local.type === 'physical' || !local.synced)) {
    throw new SyncError(`same name slot "${source.name}" already exists on the standby`);
  }
  if (local === undefined) {
    if (source.invalidation !== null) return false;
    persist(standby, makeTemporary(standby, source), source);
    return true;
  }
  if (source.invalidation !== null) {
    local.invalidation ??= source.invalidation;
    return false;
  }
  if (local.invalidation !== null) return false;
  if (local.temporary) return persist(standby, local, source);
  if (source.confirmed < local.confirmed) throw new SyncError(`cannot synchronize local slot "${source.name}"`);
  return update(standby, local, source).changed;
}

function makeTemporary(standby: PgServer, source: LogicalPgSlot): LogicalPgSlot {
  if (standby.slots.size >= standby.setup.maxSlots) throw new SyncError('all replication slots are in use');
  const restart = source.restart > standby.oldestWal ? source.restart : standby.oldestWal;
  const catalogXmin = oldestSafeXid(standby);
  const needsRowsFrom = Math.max(catalogXmin, source.needsRowsFrom);
  const slot: LogicalPgSlot = {
    ...source,
    temporary: true,
    confirmed: 0n,
    restart,
    catalogXmin,
    needsRowsFrom,
    saved: { confirmed: 0n, restart, catalogXmin, needsRowsFrom },
    active: true,
    creating: false,
    horizon: catalogXmin,
    invalidation: null,
    failover: true,
    synced: true,
    identity: standby.nextSlotIdentity(),
    madeBy: 'postgres',
  };
  standby.slots.set(slot.name, slot);
  return slot;
}

/** Lets a temporary slot stay for good once the primary's has come to where it begins and it can be decoded from. */
function persist(standby: PgServer, local: LogicalPgSlot, source: LogicalPgSlot): boolean {
  if (!update(standby, local, source).isConsistent) return false;
  local.temporary = false;
  local.active = false;
  local.saved = savedOf(local);
  return true;
}

function update(
  standby: PgServer,
  local: LogicalPgSlot,
  source: LogicalPgSlot,
): { readonly isConsistent: boolean; readonly changed: boolean } {
  const isBehind = source.restart < local.restart || source.catalogXmin < local.catalogXmin;
  const isAhead =
    source.confirmed > local.confirmed || source.restart > local.restart || source.catalogXmin > local.catalogXmin;
  if (isBehind || !isAhead) return { isConsistent: false, changed: false };
  if (standby.snapshots.has(source.restart)) {
    moveSlot(local, source.confirmed, source.restart, source.catalogXmin);
    return { isConsistent: true, changed: true };
  }
  const run = decode(standby.decodingStart(local), source.confirmed, (xid) => standby.running.has(xid));
  // The worker itself waits; a step of the model cannot.
  if (run.waitsFor.length > 0) return { isConsistent: false, changed: false };
  for (const at of run.written) standby.snapshots.add(at);
  const before = local.confirmed;
  moveSlot(local, source.confirmed, run.restartLsn, run.catalogXmin);
  return { isConsistent: run.consistentAt !== null, changed: local.confirmed > before };
}

/** PostgreSQL's slot synchronisation worker beside one standby, for as long as the world lasts. */
export function runSyncWorker(
  standby: PgServer,
  time: VirtualTime,
  random: Random,
  isCutOff: () => boolean,
  told: (what: string) => void,
): void {
  let napMs = firstNapMs;
  let restsUntilMs = 0;
  const pass = (): void => {
    const primary = standby.upstream;
    if (primary === null || syncObstacle(standby) !== null || isCutOff()) {
      standby.isSyncing = false;
      standby.dropTemporarySlots();
      napMs = random.int(200, 2_000);
      return;
    }
    if (time.nowMs() < restsUntilMs) return;
    standby.isSyncing = true;
    try {
      napMs = syncOnce(standby, primary) ? firstNapMs : Math.min(2 * napMs, longestNapMs);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      told(error.message);
      standby.isSyncing = false;
      standby.dropTemporarySlots();
      restsUntilMs = time.nowMs() + random.int(10_000, 60_000);
      napMs = firstNapMs;
    }
  };
  const next = (): void => {
    pass();
    time.in(napMs * (0.8 + 0.4 * random.next()), next, false);
  };
  time.in(random.int(100, 1_000), next, false);
}
