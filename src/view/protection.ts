import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { protectionOf } from './chain.ts';
import { templatesSince } from './method.ts';
import type { View } from './view.ts';

/**
 * Why catalog rows that the slot needs may be gone, or may go before this standby is promoted (FACTS 2, "Readiness"); null =
 * they are protected on every link to the primary, and have been since before any of them could be removed. Holds for slots
 * that PostgreSQL synchronises too: a former primary comes back with such slots from before, and the rows that they need may
 * have been removed on the new one.
 */
export function unprotectedBecause(view: View, look: ServerLook, slot: LogicalSlot): string | null {
  if (slot.catalogXmin === null) return 'it protects no catalog rows yet';
  const protection = protectionOf(view, slot.catalogXmin);
  if (protection.kind === 'unprotected') return protection.why;
  const from = view.memory.slots.get(slot.name)?.protectedFrom ?? null;
  if (from === null) return 'the primary has not confirmed yet that catalog rows are protected all the way';
  if (!xidPrecedes(slot.catalogXmin, from) || survived(view, look, slot.name)) return null;
  return `its catalog_xmin ${slot.catalogXmin} is older than ${from}, from which on catalog rows are known to be protected`;
}

/**
 * From 16 on PostgreSQL invalidates a slot when it replays that rows are removed which the slot needs (FACTS 2): one that
 * is still good where everything from before the protection is replayed has lost none.
 */
function survived(view: View, look: ServerLook, slot: string): boolean {
  const since = view.memory.slots.get(slot)?.protectedSinceLsn ?? null;
  return majorOf(look.versionNum) >= templatesSince && since !== null && (look.replayedLsn ?? 0n) >= since;
}
