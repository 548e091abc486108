import { z } from 'zod';
import { type Lsn, formatLsn, parseLsn } from '../../domain/lsn.ts';
import { type Statement, rowOrNone } from '../statement.ts';

/** `position`: null = the slot reserves nothing. */
export interface Advanced {
  readonly position: Lsn | null;
}

/**
 * Moves a slot forward to at most `target`, and on a standby to at most what it has replayed, all inside the statement
 * (S1). A logical slot is moved on a standby only: on a server that was promoted since it was asked for, the slot is its
 * consumer's, and the target may be a position of the old primary beyond the point where the two parted. A target that is
 * already reached moves nothing and is no error. Null = there is no such slot.
 */
export function advanceSlot(slot: {
  readonly name: string;
  readonly type: 'logical' | 'physical';
  readonly target: Lsn;
}): Statement<Advanced | null> {
  const position = slot.type === 'logical' ? 's.confirmed_flush_lsn' : 's.restart_lsn';
  const row = rowOrNone(z.object({ position: z.string().nullable() }));
  return {
    verb: `advance ${slot.type} slot ${slot.name}`,
    // A target of NULL is greater than no position: nothing is moved.
    text: `
SELECT (CASE WHEN ${position} < t.target
  THEN (SELECT a.end_lsn FROM pg_catalog.pg_replication_slot_advance(s.slot_name, t.target) a)
  ELSE ${position} END)::text AS position
FROM pg_catalog.pg_replication_slots s
CROSS JOIN (
  SELECT CASE
    WHEN pg_catalog.pg_is_in_recovery() THEN least($2::pg_lsn, pg_catalog.pg_last_wal_replay_lsn())
    WHEN $3::text = 'physical' THEN $2::pg_lsn END AS target) t
WHERE s.slot_name = $1::name AND s.slot_type = $3::text`,
    values: [slot.name, formatLsn(slot.target), slot.type],
    read: (rows) => {
      const found = row(rows);
      return found === null ? null : { position: found.position === null ? null : (parseLsn(found.position) ?? null) };
    },
  };
}
