import { leaderName } from '../domain/cluster.ts';
import type { ServerLook } from '../domain/server.ts';
import type { Method } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import type { FollowedSlot } from './select.ts';
import { configOf, ownUpstream } from './select.ts';
import type { View } from './view.ts';

/** From here on logical slots can be made and copied on a standby (FACTS 2). */
export const templatesSince = 16;
/** From here on PostgreSQL synchronises slots that are marked for it (FACTS 3). */
export const nativeSince = 17;

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

/** Cascades are refused by PostgreSQL: it synchronises from the primary only. */
export function isNativePossible(view: View, look: ServerLook): boolean {
  const { keys } = view.consul;
  return majorOf(look.versionNum) >= nativeSince && keys !== null && ownUpstream(view) === leaderName(keys);
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
