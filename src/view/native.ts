import { leaderName } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, Slot, Verdict } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { undecodableBecause } from './decodable.ts';
import { methodsOf } from './method.ts';
import { unprotectedBecause } from './protection.ts';
import type { FollowedSlot } from './select.ts';
import { currentStatus, findSlot, followedSlots, freshLook, ownUpstream } from './select.ts';
import type { View } from './view.ts';
import { excludedBecause } from './exclusion.ts';

/**
 * What a standby needs for PostgreSQL's own synchronisation, in the order in which it is set: the worker begins with the
 * last one, and says in the server's log only what is missing then (FACTS 3).
 */
export const nativeSettings = [
  'hot_standby_feedback',
  'primary_slot_name',
  'dbname in primary_conninfo',
  'sync_replication_slots',
] as const;
export type NativeSetting = (typeof nativeSettings)[number];

/** How long running transactions are asked for after something has changed that the record of them could help. */
const snapshotForMs = 5_000;
/** Positions are published up to two seconds late: only what is ahead for longer is really ahead. */
const publishedWithinMs = 3_000;

/** The settings that PostgreSQL's own synchronisation lacks here. */
export function missingNativeSettings({ settings }: ServerLook): readonly NativeSetting[] {
  const isSet: Readonly<Record<NativeSetting, boolean>> = {
    hot_standby_feedback: settings.hotStandbyFeedback,
    primary_slot_name: settings.primarySlotName !== '',
    'dbname in primary_conninfo': settings.upstreamDatabase !== null,
    sync_replication_slots: settings.syncReplicationSlots === true,
  };
  return nativeSettings.filter((name) => !isSet[name]);
}

/**
 * The followed slots that PostgreSQL is to synchronise to this standby; none while it is not known what the primary has,
 * or is not the same timeline's.
 */
export function nativeSlots(view: View, look: ServerLook): readonly FollowedSlot[] {
  if (look.role !== 'standby' || excludedBecause(view) !== null || !isOnTimeline(view, look)) return [];
  const methodOf = methodsOf(view, look);
  return (followedSlots(view) ?? []).filter((slot) => methodOf(slot) === 'native');
}

/** Whether this server is on the timeline of the primary that publishes. */
export function isOnTimeline(view: View, look: ServerLook): boolean {
  return currentStatus(view.consul.keys)?.extras?.timeline === look.timeline;
}

/** PostgreSQL synchronises from the primary only, and this standby is known to stream from another standby. */
export function isCascade(view: View): boolean {
  const { keys } = view.consul;
  const upstream = ownUpstream(view);
  return keys !== null && upstream !== null && leaderName(keys) !== null && upstream !== leaderName(keys);
}

/**
 * The slots here that have the name of one that PostgreSQL is to synchronise and were not made by it. A single one stops
 * the synchronisation of all slots (FACTS 3), a physical one too.
 */
export function nativeOrphans(view: View, look: ServerLook): readonly Slot[] {
  return nativeSlots(view, look).flatMap(({ name }) => {
    const slot = findSlot(look, name);
    return slot === undefined || isMadeByPostgres(slot) ? [] : [slot];
  });
}

function isMadeByPostgres(slot: Slot): slot is LogicalSlot {
  return slot.type === 'logical' && slot.synced;
}

/**
 * The slots that PostgreSQL has not made here yet, or not made persistent (a temporary one is gone after a promotion), or of
 * which it is not known that decoding starts right.
 */
export function awaitedNativeSlots(view: View, look: ServerLook): readonly FollowedSlot[] {
  return nativeSlots(view, look).filter(({ name, report }) => {
    const slot = findSlot(look, name);
    if (report.invalidation !== null) return false;
    if (slot === undefined) return true;
    return isMadeByPostgres(slot) && (slot.temporary || undecodableBecause(view, slot) !== null);
  });
}

/**
 * Whether a record of the running transactions may help a slot here to get usable. Not for ever: one whose consumer does
 * not go on stays as it is, however many are logged.
 */
export function nativeWantsSnapshot(view: View): boolean {
  const look = freshLook(view);
  if (look === null || missingNativeSettings(look).length > 0 || nativeOrphans(view, look).length > 0) return false;
  return isWaitLively(view, snapshotForMs);
}

/** Whether slots are awaited, and something about them has changed within this time, here or on the primary. */
export function isWaitLively(view: View, withinMs: number): boolean {
  const { waiting, waitingFor } = view.memory.native;
  return waiting.slots.size > 0 && view.nowMs - Math.max(waiting.sinceMs, waitingFor.sinceMs) < withinMs;
}

/**
 * The verdict for a followed slot that is PostgreSQL's to synchronise (S2). `ready`: made and kept by it, persistent, whole,
 * and known not to be past what the consumer has confirmed on the present primary: `synced` stays true after a promotion, so
 * a former primary that rejoins has such slots from before. `local` undefined = there is no logical slot of its name.
 */
export function nativeVerdict(
  view: View,
  look: ServerLook,
  followed: FollowedSlot,
  local: LogicalSlot | undefined,
): Verdict {
  if (local?.synced !== true) {
    return notReady(stoppedBecause(view, look) ?? 'PostgreSQL has not synchronised it to this standby yet');
  }
  const invalid = invalidationOf(local);
  if (invalid !== null) return { kind: 'lost', reason: `PostgreSQL invalidated it here: ${invalid}` };
  if (local.walOnDisk === false)
    return { kind: 'lost', reason: 'the WAL at its restart position is not on this standby' };
  if (local.temporary) return notReady(stoppedBecause(view, look) ?? temporaryBecause(followed, local));
  const timeline = currentStatus(view.consul.keys)?.extras?.timeline;
  if (timeline !== look.timeline)
    return notReady(`this standby is on timeline ${look.timeline}, the primary on ${timeline ?? '?'}`);
  const undecodable = undecodableBecause(view, local);
  if (undecodable !== null) return notReady(undecodable);
  const unprotected = unprotectedBecause(view, look, local);
  return unprotected === null ? provenVerdict(view, followed, local) : notReady(unprotected);
}

/** Whether the slot is known not to be past its consumer: PostgreSQL moves it on only when the primary's slot is further. */
function provenVerdict(view: View, followed: FollowedSlot, local: LogicalSlot): Verdict {
  const from = view.memory.native.synced.get(local.name) ?? null;
  if (from === null) return notReady('it has not been compared with the slot on the primary yet');
  if (from.isConfirmed) return { kind: 'ready' };
  const positions = `at ${formatLsn(from.position)}, while the consumer has confirmed ${formatLsn(followed.position)} on the primary`;
  if (view.nowMs - from.sinceMs < publishedWithinMs) return notReady(`${positions}, as far as it is published`);
  return {
    kind: 'ahead',
    reason: `${positions}; until it has passed that, PostgreSQL's synchronisation stops at this slot`,
  };
}

/** What keeps PostgreSQL from synchronising any slot to this standby; null = nothing that is known. */
function stoppedBecause(view: View, look: ServerLook): string | null {
  const missing = missingNativeSettings(look);
  const orphans = nativeOrphans(view, look).map((slot) => slot.name);
  const reasons = [
    ...(missing.length > 0 ? [`needs ${missing.join(', ')}`] : []),
    ...(orphans.length > 0 ? [`is stopped by slots here that it did not make: ${orphans.join(', ')}`] : []),
  ];
  return reasons.length > 0 ? `PostgreSQL's slot synchronisation ${reasons.join(' and ')}` : null;
}

/** A slot stays temporary while the primary's begins before what this standby can decode from. */
function temporaryBecause({ report }: FollowedSlot, local: LogicalSlot): string {
  const isEarlier = report.restartLsn !== null && local.restartLsn !== null && report.restartLsn < local.restartLsn;
  const isOlder =
    report.catalogXmin !== null && local.catalogXmin !== null && xidPrecedes(report.catalogXmin, local.catalogXmin);
  const needs = [
    ...(isEarlier ? [`WAL from ${formatLsn(report.restartLsn)}`] : []),
    ...(isOlder ? [`catalog rows from xid ${report.catalogXmin}`] : []),
  ];
  if (needs.length === 0) return 'PostgreSQL has not made it persistent yet';
  const here = local.restartLsn === null ? 'nowhere' : formatLsn(local.restartLsn);
  return `temporary until its consumer goes on: on the primary it needs ${needs.join(' and ')}, here it begins at ${here} and xid ${local.catalogXmin ?? '?'}`;
}

function notReady(reason: string): Verdict {
  return { kind: 'not_ready', reason };
}
