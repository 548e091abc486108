import { z } from 'zod';
import { type Lsn, formatLsn, parseLsn } from '../../domain/lsn.ts';
import { type Statement, rowOrNone } from '../statement.ts';

/** `position`: null = the slot reserves nothing. */
export interface Advanced {
  readonly position: Lsn | null;
}

/**
 * Moves a slot forward to at most `target`, and on a standby to at most what it has replayed, all inside the statement
 * (S1). A target that is already reached moves nothing and is no error. Null = there is no such slot.
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
    // least() passes over the NULL that stands for "no limit" on a primary, where PostgreSQL has a limit of its own.
    text: `
SELECT (CASE WHEN ${position} < t.target
  THEN (SELECT a.end_lsn FROM pg_catalog.pg_replication_slot_advance(s.slot_name, t.target) a)
  ELSE ${position} END)::text AS position
FROM pg_catalog.pg_replication_slots s
CROSS JOIN (
  SELECT least($2::pg_lsn,
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() END) AS target) t
WHERE s.slot_name = $1::name AND s.slot_type = $3::text`,
    values: [slot.name, formatLsn(slot.target), slot.type],
    read: (rows) => {
      const found = row(rows);
      return found === null ? null : { position: found.position === null ? null : (parseLsn(found.position) ?? null) };
    },
  };
}
