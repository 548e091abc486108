import type { SlotHistoryEntry } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { Gap } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { findSlot, freshLook } from '../view/select.ts';
import type { Promotion, View } from '../view/view.ts';
import { wantedLost } from './status.ts';

/** `slot_history` with what is not recorded yet at its end; null = everything is recorded (S3). */
export function wantedSlotHistory(view: View): readonly SlotHistoryEntry[] | null {
  const look = freshLook(view);
  if (look === null) return null;
  const recorded = view.memory.lastSlotHistory;
  const { promotion } = view.memory;
  const gaps = [
    ...(promotion === null ? [] : gapsOfPromotion(look, promotion)),
    ...lostGaps(view, look),
    ...remadeGaps(view, look),
  ];
  const fresh = unique(gaps).filter((gap) => !isRecorded(view, gap));
  if (promotion === null && fresh.length === 0) return null;
  const entry: SlotHistoryEntry = {
    timeline: look.timeline,
    leader: view.self.name,
    timestamp: new Date(promotion?.atWallMs ?? view.nowWallMs).toISOString(),
    slots: promotion?.before.verdicts ?? [],
    gaps: fresh,
  };
  return [...recorded, entry];
}

/** What a promotion costs each followed slot: all after its last known position, when it was not known to be usable. */
function gapsOfPromotion(look: ServerLook, promotion: Promotion): Gap[] {
  const gaps: Gap[] = [];
  for (const [slot, from] of promotion.before.published) {
    const judged = promotion.before.verdicts.find((verdict) => verdict.slot === slot)?.verdict;
    const local = findSlot(look, slot);
    const invalidation = local?.type === 'logical' ? invalidationOf(local) : null;
    if (local === undefined) {
      gaps.push({ slot, from, to: null, why: 'it was not on the server that was promoted' });
    } else if (invalidation !== null) {
      // Also by what was replayed last, when the verdict was there already.
      gaps.push({ slot, from, to: null, why: `PostgreSQL invalidated it: ${invalidation}` });
    } else if (judged?.kind === 'ahead') {
      const to = local.type === 'logical' ? local.confirmedFlushLsn : null;
      gaps.push({ slot, from, to, why: `it was ahead of the consumer: ${judged.reason}` });
    } else if (judged !== undefined && judged.kind !== 'ready') {
      gaps.push({
        slot,
        from,
        to: null,
        why: `it was not proved usable when its server was promoted: ${judged.reason}`,
      });
    }
  }
  return gaps;
}

function lostGaps(view: View, look: ServerLook): Gap[] {
  return [...wantedLost(view, look)].map(([slot, lost]) => ({ slot, from: lost.from, to: null, why: lost.why }));
}

/** Slots that were dropped and made again under the same name: the new one starts where it was made. */
function remadeGaps(view: View, look: ServerLook): Gap[] {
  const gaps: Gap[] = [];
  const before = view.memory.lastStatus;
  for (const [slot, born] of view.memory.born) {
    const from = before?.extras?.lost.get(slot)?.from ?? before?.slots.get(slot);
    const known = before?.extras?.logical.get(slot)?.incarnation ?? before?.extras?.lost.get(slot)?.from;
    if (from === undefined || known === undefined || known === born || findSlot(look, slot) === undefined) continue;
    if (from < born) gaps.push({ slot, from, to: born, why: 'it was dropped and made again on the primary' });
  }
  return gaps;
}

/**
 * Whether the last `status` is all that tells one slot from another of its name: written over before the gap is on record, it
 * would leave nothing to see the gap by (S3.1).
 */
export function isStatusEvidence(view: View): boolean {
  const look = freshLook(view);
  return look !== null && remadeGaps(view, look).some((gap) => !isRecorded(view, gap));
}

/** Whether `slot_history` says that everything of the slot from that position on is lost. */
export function isLossRecorded(view: View, slot: string, from: Lsn): boolean {
  return isRecorded(view, { slot, from, to: null });
}

function isRecorded(view: View, gap: Pick<Gap, 'slot' | 'from' | 'to'>): boolean {
  const recorded = view.memory.lastSlotHistory;
  return recorded.some((entry) => entry.gaps.some((known) => isSameGap(known, gap)));
}

function unique(gaps: readonly Gap[]): readonly Gap[] {
  return gaps.filter((gap, index) => gaps.findIndex((other) => isSameGap(other, gap)) === index);
}

function isSameGap(a: Gap, b: Pick<Gap, 'slot' | 'from' | 'to'>): boolean {
  return a.slot === b.slot && a.from === b.from && a.to === b.to;
}
