import { type Lsn, parseLsn } from '../domain/lsn.ts';
import type { ReplicationClient, ServerLook } from '../domain/server.ts';
import type { LogicalSlot, PhysicalSlot, Slot } from '../domain/slot.ts';
import { upstreamOf } from './conninfo.ts';
import type { FilesAt } from './slot-files-on-disk.ts';
import type { LookRow, SlotRow } from './sql/look.ts';

/**
 * The answer of the look's statement in the words of the domain. `timeline` and `filesAt` are what the statement cannot
 * know: a standby's timeline, and what is on disk.
 */
export function serverLook(row: LookRow, timeline: number, filesAt: FilesAt): ServerLook {
  const { settings, receiver } = row;
  const upstream = settings.primaryConninfo === null ? null : upstreamOf(settings.primaryConninfo);
  return {
    systemIdentifier: row.systemIdentifier,
    versionNum: row.versionNum,
    role: row.inRecovery ? 'standby' : 'primary',
    timeline,
    startedAtWallMs: row.startedAtMs,
    currentLsn: lsn(row.currentLsn),
    receivedLsn: lsn(row.receivedLsn),
    replayedLsn: lsn(row.replayedLsn),
    replayPaused: row.replayPaused,
    replayedAtWallMs: row.replayedAtMs,
    receiver,
    settings: {
      walLevel: settings.walLevel,
      maxReplicationSlots: settings.maxReplicationSlots,
      maxWalSenders: settings.maxWalSenders,
      hotStandbyFeedback: settings.hotStandbyFeedback,
      primarySlotName: settings.primarySlotName ?? '',
      upstreamHost: upstream?.host ?? null,
      upstreamPort: upstream?.port ?? null,
    },
    privileges: row.privileges,
    slots: row.slots.map((slot) => slotOf(slot, filesAt)),
    replication: row.replication.map(clientOf),
    databases: row.databases,
  };
}

/** A primary's timeline: the first eight digits of the name of its current WAL file. Null on a standby. */
export function primaryTimeline(row: LookRow): number | null {
  return row.walFile === null ? null : Number.parseInt(row.walFile.slice(0, 8), 16);
}

function slotOf(row: SlotRow, filesAt: FilesAt): Slot {
  return row.type === 'logical' ? logicalSlot(row, filesAt) : physicalSlot(row);
}

function logicalSlot(row: SlotRow, filesAt: FilesAt): LogicalSlot {
  const restartLsn = lsn(row.restartLsn);
  return {
    type: 'logical',
    name: row.name,
    database: row.database ?? '',
    plugin: row.plugin ?? '',
    confirmedFlushLsn: lsn(row.confirmedFlushLsn),
    restartLsn,
    catalogXmin: xid(row.catalogXmin),
    active: row.active,
    temporary: row.temporary,
    twoPhase: row.twoPhase ?? false,
    walStatus: row.walStatus,
    invalidation: invalidationOf(row),
    failover: row.failover,
    synced: row.synced,
    ...filesAt(restartLsn),
  };
}

function physicalSlot(row: SlotRow): PhysicalSlot {
  return {
    type: 'physical',
    name: row.name,
    restartLsn: lsn(row.restartLsn),
    xmin: xid(row.xmin),
    catalogXmin: xid(row.catalogXmin),
    active: row.active,
    temporary: row.temporary,
    walStatus: row.walStatus,
  };
}

/** PostgreSQL's own words from 17 on; before, what its other columns come to. */
function invalidationOf(row: SlotRow): string | null {
  if (row.invalidationReason !== null) return row.invalidationReason;
  if (row.conflicting === true) return 'conflicting';
  return row.walStatus === 'lost' ? 'wal_removed' : null;
}

function clientOf(row: LookRow['replication'][number]): ReplicationClient {
  return {
    applicationName: row.applicationName ?? '',
    clientAddress: row.clientAddress,
    state: row.state ?? '',
    syncState: row.syncState ?? '',
    sentLsn: lsn(row.sentLsn),
    replayLsn: lsn(row.replayLsn),
    slotName: row.slotName,
  };
}

function lsn(text: string | null): Lsn | null {
  return text === null ? null : (parseLsn(text) ?? null);
}

function xid(text: string | null): number | null {
  return text === null ? null : Number(text);
}
