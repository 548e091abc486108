import type { Lsn } from '../domain/lsn.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import type { ServerLook } from '../domain/server.ts';
import { positionOf } from '../domain/server.ts';
import { minLsn } from '../domain/lsn.ts';
import {
  currentStatus,
  findSlot,
  freshLook,
  holdsLeader,
  isIgnored,
  isTransient,
  physicalSlots,
} from '../view/select.ts';
import { declaredPhysicalNames } from '../view/verdict.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { severalPrimaries } from './leadership.ts';
import { dropUnused } from './primary-slots.ts';

/** An idle physical slot holds WAL, not changes: it is enough to move it now and then. */
const advanceEveryMs = 5_000;

/** Declared physical slots exist on standbys too, so that whoever streams from one finds it after a failover. */
export function planStandbyPhysicalSlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby' || view.config === null || view.ledger === null || severalPrimaries(view) !== null)
    return [];
  const intents: Intent[] = [];
  const declared = declaredPhysicalNames(view);
  for (const name of declared) {
    if (findSlot(look, name) !== undefined) continue;
    intents.push(
      hasRoom(look, 1)
        ? act({ kind: 'create_physical_slot', slot: name })
        : hold(`slot ${name}`, roomProblem(look).what),
    );
  }
  for (const slot of physicalSlots(look)) {
    const isOurs = view.ledger.slots.get(slot.name)?.made === true;
    const { slots, ignoreSlots } = view.config;
    if (
      !isOurs ||
      slots.has(slot.name) ||
      declared.includes(slot.name) ||
      isTransient(slot) ||
      isIgnored(ignoreSlots, slot)
    )
      continue;
    intents.push(dropUnused(view, slot, 'it was taken out of the configuration'));
  }
  return intents;
}

/**
 * Idle declared physical slots move along with whoever they are for: a member's slot with what the member has, on
 * whichever server it does not stream from; any other one, on standbys, with its position on the primary.
 */
export function planPhysicalAdvances(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look === null || severalPrimaries(view) !== null) return [];
  if (look.role === 'primary' && !holdsLeader(view)) return [];
  const intents: Intent[] = [];
  for (const name of declaredPhysicalNames(view)) {
    const slot = findSlot(look, name);
    if (slot?.type !== 'physical' || slot.active || slot.restartLsn === null) continue;
    const target = targetOf(view, look, name);
    if (target === null || target <= slot.restartLsn) continue;
    const last = view.memory.slots.get(name)?.lastAdvance ?? null;
    if (last !== null && view.nowMs - last.endedAtMs < advanceEveryMs) continue;
    intents.push(act({ kind: 'advance_physical_slot', slot: name, target }));
  }
  return intents;
}

function targetOf(view: View, look: ServerLook, name: string): Lsn | null {
  const here = positionOf(look);
  if (here === null) return null;
  for (const [member, key] of view.consul.keys?.members ?? []) {
    if (slotNameFromMemberName(member) !== name) continue;
    // What is replayed is there for good; a member of Patroni says `xlog_location` only.
    const has = key.value?.replayLsn ?? key.value?.xlogLocation ?? null;
    return has === null ? null : minLsn(has, here);
  }
  const published = look.role === 'standby' ? currentStatus(view.consul.keys)?.slots.get(name) : undefined;
  return published === undefined ? null : minLsn(published, here);
}
