import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';

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
