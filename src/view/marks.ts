import type { ServerLook } from '../domain/server.ts';
import { invalidationOf, type LogicalSlot } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { nativeSince } from './method.ts';
import { configOf } from './select.ts';
import type { View } from './view.ts';

/** Whether the slot of this name is to be marked for PostgreSQL's own synchronisation, by the primary `look` is of. */
export function isToBeMarked(view: View, look: ServerLook, name: string): boolean {
  if (majorOf(look.versionNum) < nativeSince) return false;
  const { slots, failoverSlots } = configOf(view);
  const declared = slots.get(name);
  const isDeclared = declared?.type === 'logical' && declared.failover === true;
  return failoverSlots.method === 'native' || isDeclared || view.memory.native.marked.includes(name);
}

/**
 * Whether standbys are to leave the slot to PostgreSQL's own synchronisation: it is marked for it, or is about to be. Told
 * before it is done, so that no standby makes a copy of its own meanwhile, which would be in the way.
 */
export function isMarkedSoon(view: View, look: ServerLook, slot: LogicalSlot): boolean {
  if (slot.failover) return true;
  const isPossible = !slot.active && invalidationOf(slot) === null && !view.failures.has(`set_failover:${slot.name}`);
  return isPossible && isToBeMarked(view, look, slot.name);
}
