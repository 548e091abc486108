import type { LogicalSlotReport } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, Method } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { xidPrecedes } from '../domain/xid.ts';
import type { FollowedSlot } from './select.ts';
import { configOf, followedSlots, logicalSlots, ownUpstream } from './select.ts';
import type { View } from './view.ts';

/** From here on logical slots can be made and copied on a standby (FACTS 2). */
export const templatesSince = 16;
/** From here on PostgreSQL synchronises slots that are marked for it (FACTS 3). */
export const nativeSince = 17;
/**
 * For so long a former cascade stays as it is. After a failover cascades stream from the new primary until their own upstream
 * is back; what PostgreSQL took over meanwhile it would neither move nor let go of any more (N5).
 */
const formerCascadeForMs = 30_000;

/**
 * How a followed slot gets onto this standby and moves there. Exactly one method at any time: PostgreSQL's own
 * synchronisation stops for all slots when it finds one that it did not make under the name of one that it is to keep.
 */
export function methodOf(view: View, look: ServerLook, followed: FollowedSlot): Method {
  return methodsOf(view, look)(followed);
}

/** The same for many slots: what does not depend on the slot is found out once. */
export function methodsOf(view: View, look: ServerLook): (followed: FollowedSlot) => Method {
  const wanted = configOf(view).failoverSlots.method;
  if (wanted === 'file_copy' || majorOf(look.versionNum) < templatesSince) return () => 'file_copy';
  const isNative = isNativePossible(view, look) && (wanted !== 'template' || isSyncOn(look));
  return ({ report }) => {
    if (isNative && report.failover) return 'native';
    // PostgreSQL copies slots without two_phase: such a copy would be another slot.
    return report.twoPhase ? 'file_copy' : 'template';
  };
}

/**
 * Whether PostgreSQL is to synchronise slots to this standby. Cascades are refused by it: it synchronises from the primary
 * only. And it can't take over what is here when a slot on the primary begins before all that is here.
 */
export function isNativePossible(view: View, look: ServerLook): boolean {
  const { keys } = view.consul;
  if (majorOf(look.versionNum) < nativeSince || keys === null || ownUpstream(view) !== leaderName(keys)) return false;
  return !mayBeCascadeAgain(view, look) && !isTooEarlyToTakeOver(view, look);
}

/** Whether this server was a cascade until a moment ago, and PostgreSQL has begun nothing here. */
function mayBeCascadeAgain(view: View, look: ServerLook): boolean {
  const { cascadeUntilMs } = view.memory.native;
  if (cascadeUntilMs === null || view.nowMs - cascadeUntilMs >= formerCascadeForMs) return false;
  return !isSyncOn(look) && !logicalSlots(look).some((slot) => slot.synced);
}

/**
 * PostgreSQL makes a slot here only when this standby still has the WAL and the catalog rows that the slot needs on the
 * primary, which nothing but slots holds. A former cascade has slots from templates, which begin later than those that they
 * are copies of: they stay, and are usable, until the consumers on the primary have passed the oldest of them. Dropped
 * before, none of those whose consumer is away would be usable here.
 */
function isTooEarlyToTakeOver(view: View, look: ServerLook): boolean {
  const here = logicalSlots(look).filter((slot) => invalidationOf(slot) === null && slot.walOnDisk !== false);
  if (here.some((slot) => slot.synced)) return false;
  const names = new Set(here.map((slot) => slot.name));
  return (followedSlots(view) ?? [])
    .filter(({ name, report }) => report.failover && report.invalidation === null && names.has(name))
    .some(({ report }) => here.every((slot) => isEarlier(report, slot)));
}

/** Whether the slot on the primary needs WAL or catalog rows from before those that the slot here holds. */
function isEarlier(report: LogicalSlotReport, { restartLsn, catalogXmin }: LogicalSlot): boolean {
  if (report.restartLsn === null || report.catalogXmin === null || restartLsn === null || catalogXmin === null)
    return true;
  return report.restartLsn < restartLsn || xidPrecedes(report.catalogXmin, catalogXmin);
}

function isSyncOn(look: ServerLook): boolean {
  return look.settings.syncReplicationSlots === true;
}

/** Whether a standby may be restarted to get this slot (`failover_slots.restart`). */
export function mayRestartFor(view: View, look: ServerLook): boolean {
  const { restart, method } = configOf(view).failoverSlots;
  const isOnlyWay = method === 'file_copy' || majorOf(look.versionNum) < templatesSince;
  return restart === null ? isOnlyWay : restart === 'allow';
}
