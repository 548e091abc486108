import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { isToBeMarked } from '../view/marks.ts';
import { nativeSince } from '../view/method.ts';
import { configOf, freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';
import { followedOnPrimary } from './status.ts';

/**
 * What PostgreSQL's own slot synchronisation leaves to the operator of a primary: the mark on slots that are there already.
 * One that is there is never taken away.
 */
export function planNativePrimary(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || majorOf(look.versionNum) < nativeSince || !mayPublish(view)) return [];
  if (view.config === null || view.ledger === null) return [];
  const followed = followedOnPrimary(view, look);
  return [
    ...followed.filter((slot) => !slot.failover).flatMap((slot) => mark(view, look, slot)),
    ...takeBack(view, look, followed),
  ];
}

function mark(view: View, look: ServerLook, slot: LogicalSlot): readonly Intent[] {
  if (!isToBeMarked(view, look, slot.name) || invalidationOf(slot) !== null) return [];
  // PostgreSQL waits until nobody uses the slot, and its consumer would find it in use meanwhile.
  if (slot.active)
    return [hold(`slot ${slot.name}`, 'it is to be marked for synchronisation by PostgreSQL, but it is in use')];
  return [act({ kind: 'set_failover', slot: slot.name, failover: true })];
}

/**
 * What slotkeeper set here as a standby does no harm on a primary and is needed again after the next switch, unless no slot
 * is left to PostgreSQL any more.
 */
function takeBack(view: View, look: ServerLook, followed: readonly LogicalSlot[]): readonly Intent[] {
  const name = 'sync_replication_slots';
  if (view.ledger?.settingsSet.includes(name) !== true || look.settings.syncReplicationSlots !== true) return [];
  if (followed.some((slot) => slot.failover || isToBeMarked(view, look, slot.name))) return [];
  if (configOf(view).failoverSlots.method === 'native') return [];
  const why = 'no slot is synchronised by PostgreSQL any more';
  return [act({ kind: 'alter_settings', changes: [{ name, value: null }], why })];
}
