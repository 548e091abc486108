import type { Lsn } from '../../src/domain/lsn.ts';
import type { ServerLook } from '../../src/domain/server.ts';
import type { Slot } from '../../src/domain/slot.ts';
import { majorOf } from '../../src/domain/version.ts';
import type { Xid } from '../../src/domain/xid.ts';
import type { PgServer } from './pg-server.ts';
import type { PgSlot } from './pg-slot.ts';
import type { FullXid } from './wal.ts';

export const simDatabases = ['app', 'postgres'];

/** What a look at the server shows at this moment. */
export function lookAt(server: PgServer, systemIdentifier: string, nowWallMs: number): ServerLook {
  const isPrimary = server.role === 'primary';
  return {
    systemIdentifier,
    versionNum: server.setup.versionNum,
    role: server.role,
    timeline: server.branch.at(server.position).timeline,
    startedAtWallMs: server.startedAtMs,
    currentLsn: isPrimary ? server.branch.end : null,
    receivedLsn: isPrimary ? null : server.received,
    replayedLsn: isPrimary ? null : server.replayed,
    replayPaused: server.replayPaused,
    replayedAtWallMs: isPrimary ? null : nowWallMs,
    receiver:
      server.streaming && server.upstream !== null
        ? {
            status: 'streaming',
            senderHost: server.upstream.name,
            senderPort: 5432,
            slotName: server.primarySlotName === '' ? null : server.primarySlotName,
            receivedTimeline: server.branch.timeline,
          }
        : null,
    settings: {
      walLevel: server.setup.walLevel,
      maxReplicationSlots: server.setup.maxSlots,
      maxWalSenders: 10,
      hotStandbyFeedback: server.feedbackOn,
      primarySlotName: server.primarySlotName,
      restoresFromArchive: false,
      upstreamHost: server.upstream?.name ?? null,
      upstreamPort: server.upstream === null ? null : 5432,
      upstreamDatabase: server.upstreamDatabase,
      conninfoHasPassword: false,
      syncReplicationSlots: majorOf(server.setup.versionNum) >= 17 ? server.settings.syncOn : null,
      synchronizedStandbySlots: majorOf(server.setup.versionNum) >= 17 ? server.settings.gate : null,
      failoverSlotsExtension: null,
      maxSlotWalKeepBytes: server.slotKeepBytes,
    },
    privileges: {
      superuser: true,
      replication: true,
      readBinaryFile: true,
      monitor: true,
      logStandbySnapshot: majorOf(server.setup.versionNum) >= 16,
    },
    slots: [...server.slots.values()].map((slot) => rowOf(server, slot)),
    replication: [],
    databases: simDatabases,
  };
}

function rowOf(server: PgServer, slot: PgSlot): Slot {
  if (slot.type === 'physical') {
    return {
      type: 'physical',
      name: slot.name,
      restartLsn: slot.invalidation === null ? slot.restart : null,
      xmin: shown(slot.xmin),
      catalogXmin: shown(slot.catalogXmin),
      active: slot.active,
      temporary: false,
      walStatus: slot.invalidation !== null ? 'lost' : slot.restart === null ? null : 'reserved',
    };
  }
  const isMarked = slot.invalidation !== null && majorOf(server.setup.versionNum) >= 16;
  return {
    type: 'logical',
    name: slot.name,
    database: slot.database,
    plugin: slot.plugin,
    // One of PostgreSQL's own synchronisation that has not caught up has none either.
    confirmedFlushLsn: slot.creating || slot.confirmed === 0n ? null : slot.confirmed,
    restartLsn: slot.invalidation === 'wal_removed' ? null : slot.restart,
    catalogXmin: shown(slot.catalogXmin),
    active: slot.active,
    temporary: slot.temporary,
    twoPhase: false,
    walStatus: slot.invalidation === null ? 'reserved' : 'lost',
    invalidation: isMarked ? slot.invalidation : null,
    failover: slot.failover,
    synced: slot.synced,
    identity: slot.identity,
    snapshotOnDisk: server.snapshots.has(slot.restart),
    startsWithoutSnapshot: startsWithoutSnapshot(server, slot.restart),
    walOnDisk: slot.restart >= server.oldestWal,
  };
}

function startsWithoutSnapshot(server: PgServer, restart: Lsn): boolean | null {
  if (restart < server.oldestWal || server.snapshots.has(restart)) return null;
  const record = server.branch.startingAt(restart);
  if (record === undefined) return null;
  return record.kind === 'running' && record.xids.length === 0;
}

/** Views show the low 32 bits. */
function shown(xid: FullXid): Xid;
function shown(xid: FullXid | null): Xid | null;
function shown(xid: FullXid | null): Xid | null {
  return xid === null ? null : xid % 0x1_0000_0000;
}
