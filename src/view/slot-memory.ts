import type { ServerLook } from '../domain/server.ts';
import type { Xid } from '../domain/xid.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { protectionOf } from './chain.ts';
import type { FollowedSlot } from './select.ts';
import { currentStatus, findSlot } from './select.ts';
import type { SlotMemory, View } from './view.ts';

export const unknownSlot: SlotMemory = {
  protectedFrom: null,
  protectedSinceLsn: null,
  aheadSinceMs: null,
  lastAdvance: null,
};

/** What is remembered of a followed slot on this standby after what is known now. */
export function memoryOf(view: View, look: ServerLook, followed: FollowedSlot, isOtherPrimary: boolean): SlotMemory {
  const before = view.memory.slots.get(followed.name) ?? unknownSlot;
  const local = findSlot(look, followed.name);
  if (local?.type !== 'logical' || local.catalogXmin === null)
    return { ...before, protectedFrom: null, protectedSinceLsn: null, aheadSinceMs: null };
  const ahead = local.confirmedFlushLsn !== null && local.confirmedFlushLsn > followed.position;
  const protectedFrom = protectedFromOf(
    view,
    isOtherPrimary ? null : before.protectedFrom,
    followed,
    local.catalogXmin,
  );
  const isKept = !isOtherPrimary && before.protectedFrom !== null;
  const sinceLsn = isKept ? before.protectedSinceLsn : (currentStatus(view.consul.keys)?.optime ?? null);
  return {
    ...before,
    aheadSinceMs: ahead ? (before.aheadSinceMs ?? view.nowMs) : null,
    protectedFrom,
    protectedSinceLsn: protectedFrom === null ? null : sinceLsn,
  };
}

/** The mark that the slot's own catalog_xmin has to reach; null = the chain does not protect what the slot needs now. */
function protectedFromOf(view: View, before: Xid | null, followed: FollowedSlot, catalogXmin: Xid): Xid | null {
  const protection = protectionOf(view, catalogXmin);
  if (protection.kind === 'unprotected') return null;
  const mark = before ?? (protection.confirmed ? followed.report.catalogXmin : null);
  // Once the slot has passed the mark, its own catalog_xmin is what the chain protects: the mark need not be kept.
  return mark !== null && xidPrecedes(mark, catalogXmin) ? catalogXmin : mark;
}
