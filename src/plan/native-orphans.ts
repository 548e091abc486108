import type { Action } from '../domain/action.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, Slot } from '../domain/slot.ts';
import { invalidationOf, tableSyncSlotPattern } from '../domain/slot.ts';
import { anchorName } from '../domain/template.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { nativeOrphans } from '../view/native.ts';
import { configOf, findSlot, isIgnored } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { hasRoom } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { dropUnused } from './primary-slots.ts';

/**
 * How long the anchor is kept while what is awaited here stays as it is: it holds WAL and catalog rows back. That the primary's
 * slots go on keeps it no longer, since one whose consumer goes on can do without.
 */
const anchorForMs = 60_000;

/**
 * Slots that PostgreSQL did not make go, whatever `drop_extra_slots` says: the primary has them, PostgreSQL makes them here
 * anew, and until they are gone no slot at all is synchronised.
 */
export function planOrphans(view: View, look: ServerLook): readonly Intent[] {
  const orphans = nativeOrphans(view, look);
  const anchor = orphans.length > 0 ? anchorAction(view, look, orphans) : null;
  return anchor !== null ? [act(anchor)] : orphans.map((slot) => dropOrphan(view, slot));
}

/**
 * A copy of the oldest orphan, made before it goes. PostgreSQL takes over a slot only when this standby still has what the
 * slot needs, and a slot of any name that holds it is enough: with it the successor is there at once, and without it one
 * whose consumer is away is not taken over at all. Null = there is one, or it cannot or need not be made.
 */
function anchorAction(view: View, look: ServerLook, orphans: readonly Slot[]): Action | null {
  if (findSlot(look, anchorName) !== undefined || !hasRoom(look, 1)) return null;
  if (view.failures.has(`copy_from_template:${anchorName}`)) return null;
  const able = orphans.filter((slot) => slot.type === 'logical').filter((slot) => isWhole(slot));
  const doomed = able.filter((slot) => dropOrphan(view, slot).kind === 'act');
  const [first, ...others] = doomed;
  if (first === undefined) return null;
  const oldest = others.reduce(
    (old, slot) => (xidPrecedes(slot.catalogXmin ?? 0, old.catalogXmin ?? 0) ? slot : old),
    first,
  );
  const { database, plugin } = oldest;
  const target = oldest.confirmedFlushLsn ?? 0n;
  return { kind: 'copy_from_template', slot: anchorName, template: oldest.name, database, plugin, target };
}

/** Whether the anchor still holds something for a slot that PostgreSQL is to make. */
export function isAnchorNeeded(view: View, look: ServerLook): boolean {
  const isDoomed = (slot: Slot): boolean => dropOrphan(view, slot).kind === 'act';
  if (nativeOrphans(view, look).some(isDoomed)) return true;
  // It must not take the last place, which the successor needs.
  const { waiting } = view.memory.native;
  return hasRoom(look, 1) && waiting.slots.size > 0 && view.nowMs - waiting.sinceMs < anchorForMs;
}

/** Whether a copy of the slot would hold what the slot holds. */
function isWhole(slot: LogicalSlot): boolean {
  const isHolding = slot.confirmedFlushLsn !== null && slot.restartLsn !== null && slot.catalogXmin !== null;
  return isHolding && invalidationOf(slot) === null && slot.walOnDisk !== false;
}

function dropOrphan(view: View, slot: Slot): Intent {
  const subject = `slot ${slot.name}`;
  const kept = keptOrphanBecause(view, slot);
  if (kept !== null) return hold(subject, `it stops PostgreSQL's slot synchronisation, but ${kept}`);
  if (view.consul.contact.kind !== 'good') return hold(subject, 'Consul does not answer');
  return dropUnused(view, slot, 'PostgreSQL is to make it, and synchronises nothing before it is gone');
}

/** Why an orphan is left for a person to deal with; null = it is not. */
export function keptOrphanBecause(view: View, slot: Slot): string | null {
  if (slot.type === 'physical') return 'it is a physical slot';
  if (isIgnored(configOf(view).ignoreSlots, slot)) return 'ignore_slots covers it';
  if (tableSyncSlotPattern.test(slot.name)) return "it belongs to a subscription's first copy";
  return slot.active || slot.temporary ? 'it is in use' : null;
}
