import { type Lsn, parseLsn } from '../domain/lsn.ts';
import type { ReplicationClient, ServerLook, ServerSettings } from '../domain/server.ts';
import type { LogicalSlot, PhysicalSlot, Slot } from '../domain/slot.ts';
import { databaseOf, hasPassword, upstreamOf } from './conninfo.ts';
import type { FilesAt } from './slot-files-on-disk.ts';
import type { LookRow, SlotRow } from './sql/look.ts';

/** What the agent sees of the slots on disk. */
export interface SeenOnDisk {
  readonly filesAt: FilesAt;
  /** Slot name → identity; a slot that is missing could not be looked at. */
  readonly identities: ReadonlyMap<string, string>;
}

/**
 * The answer of the look's statement in the words of the domain. `timeline` and `seen` are what the statement cannot
 * know: a standby's timeline, and what is on disk.
 */
export function serverLook(row: LookRow, timeline: number, seen: SeenOnDisk): ServerLook {
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
    receiver: row.receiver,
    settings: settingsOf(row.settings),
    privileges: row.privileges,
    slots: row.slots.map((slot) => slotOf(slot, seen)),
    replication: row.replication.map(clientOf),
    databases: row.databases,
  };
}

/** A primary's timeline: the first eight digits of the name of its current WAL file. Null on a standby. */
export function primaryTimeline(row: LookRow): number | null {
  return row.walFile === null ? null : Number.parseInt(row.walFile.slice(0, 8), 16);
}

export function logicalSlotNames(row: LookRow): readonly string[] {
  return row.slots.filter(({ type }) => type === 'logical').map(({ name }) => name);
}

/** Where decoding from the logical slots starts. */
export function restartPositions(row: LookRow): readonly Lsn[] {
  return row.slots.flatMap(({ type, restartLsn }) => (type === 'logical' ? (lsn(restartLsn) ?? []) : []));
}

function settingsOf(row: LookRow['settings']): ServerSettings {
  const { primaryConninfo: conninfo, failoverSlotsExtension: extension, maxSlotWalKeepBytes: keepBytes } = row;
  const upstream = conninfo === null ? null : upstreamOf(conninfo);
  return {
    walLevel: row.walLevel,
    maxReplicationSlots: row.maxReplicationSlots,
    maxWalSenders: row.maxWalSenders,
    hotStandbyFeedback: row.hotStandbyFeedback,
    primarySlotName: row.primarySlotName ?? '',
    restoresFromArchive: row.restoreCommand,
    upstreamHost: upstream?.host ?? null,
    upstreamPort: upstream?.port ?? null,
    upstreamDatabase: conninfo === null ? null : databaseOf(conninfo),
    conninfoHasPassword: conninfo !== null && hasPassword(conninfo),
    syncReplicationSlots: row.syncReplicationSlots,
    synchronizedStandbySlots: row.synchronizedStandbySlots === null ? null : namesIn(row.synchronizedStandbySlots),
    failoverSlotsExtension:
      extension === null ? null : { ...extension, standbySlotNames: namesIn(extension.standbySlotNames) },
    // PostgreSQL's word for "unlimited" is -1.
    maxSlotWalKeepBytes: keepBytes === null || keepBytes.startsWith('-') ? null : BigInt(keepBytes),
  };
}

/** The slot names in the value of a list setting, which may stand in quotes. None of them can contain either sign. */
function namesIn(list: string): readonly string[] {
  return list
    .replaceAll('"', '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function slotOf(row: SlotRow, seen: SeenOnDisk): Slot {
  return row.type === 'logical' ? logicalSlot(row, seen) : physicalSlot(row);
}

function logicalSlot(row: SlotRow, seen: SeenOnDisk): LogicalSlot {
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
    identity: seen.identities.get(row.name) ?? null,
    ...seen.filesAt(restartLsn),
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
