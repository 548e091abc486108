import type { Lsn } from '../domain/lsn.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';
import { positionOf } from '../domain/server.ts';
import { logicalSlots } from '../view/select.ts';

/** Whether `max_replication_slots` leaves room for `more` slots. A standby with too many does not even start (FACTS 2). */
export function hasRoom(look: ServerLook, more: number): boolean {
  return look.slots.length + more <= look.settings.maxReplicationSlots;
}

export function roomProblem(look: ServerLook): Problem {
  return {
    code: 'max_replication_slots',
    severity: 'error',
    what: `max_replication_slots is ${look.settings.maxReplicationSlots} and ${look.slots.length} slots are there: no room for another`,
    fix: 'raise max_replication_slots on every member and restart them, or drop slots that nobody needs',
  };
}

/** Why a slot that starts at `restartLsn` would be invalidated here soon after it is made; null = it would not. */
export function retentionObstacle(look: ServerLook, restartLsn: Lsn): string | null {
  const { maxSlotWalKeepBytes } = look.settings;
  const held = (positionOf(look) ?? 0n) - restartLsn;
  if (maxSlotWalKeepBytes === null || held <= maxSlotWalKeepBytes) return null;
  return `it starts at ${formatLsn(restartLsn)} and would hold ${held} bytes of WAL, more than max_slot_wal_keep_size allows (${maxSlotWalKeepBytes})`;
}

/** Slots whose WAL may go at the next checkpoint: after it they give their consumers nothing any more. */
export function retentionProblems(look: ServerLook): readonly Problem[] {
  return logicalSlots(look)
    .filter((slot) => slot.walStatus === 'unreserved' && !slot.temporary)
    .map((slot) => ({
      code: 'wal_retention',
      severity: 'error',
      what: `the slot ${slot.name} holds more WAL than max_slot_wal_keep_size allows, from ${slot.restartLsn === null ? '?' : formatLsn(slot.restartLsn)} on: the next checkpoint may take it away`,
      fix: 'raise max_slot_wal_keep_size (a reload is enough), and see why its consumer does not go on',
    }));
}
