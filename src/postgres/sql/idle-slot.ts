import { z } from 'zod';
import { type Lsn, formatLsn, parseLsn } from '../../domain/lsn.ts';
import { type Statement, oneRow, rowOrNone } from '../statement.ts';

/**
 * The end of the WAL that an idle logical slot of a primary could be moved to. Null = there is no such slot, it is in use,
 * temporary, or for two-phase commits: its consumer gets prepared transactions, of which other plugins are not told.
 * Flushed, not written: what is decoded ends there, so a change that is written but not flushed would go unseen.
 */
export function idleSlotEnd(name: string): Statement<Lsn | null> {
  const row = rowOrNone(z.object({ end: z.string() }));
  return {
    verb: `see where slot ${name} could be moved to`,
    text: `
SELECT pg_catalog.pg_current_wal_flush_lsn()::text AS end
FROM pg_catalog.pg_replication_slots s
WHERE s.slot_name = $1::name AND s.slot_type = 'logical' AND NOT s.active AND NOT s.temporary
  AND s.confirmed_flush_lsn IS NOT NULL
  AND NOT coalesce((pg_catalog.to_jsonb(s) ->> 'two_phase')::boolean, false)
  AND NOT pg_catalog.pg_is_in_recovery()`,
    values: [name],
    read: (rows) => parseLsn(row(rows)?.end ?? '') ?? null,
  };
}

/**
 * Whether anything at all was changed, or said by a logical message, in the slot's database between the slot's position
 * and `end`: decoded from a copy of the slot that ends with the connection, by a plugin that shows everything. The slot's
 * own plugin would need options that only its consumer knows, and pgoutput shows nothing of a publication that was
 * dropped since, although its subscribers would still get what was published before. A large transaction is shown as a
 * stream where that exists (14+): then it is known of as soon as its first part is decoded, not when all of it is.
 */
export function changesWait(name: string, end: Lsn): Statement<boolean> {
  return {
    verb: `see whether changes wait in slot ${name}`,
    text: `
WITH copy AS MATERIALIZED (
  SELECT slot_name FROM pg_catalog.pg_copy_logical_replication_slot(
    $1::name, ('slotkeeper_peek_' || pg_catalog.pg_backend_pid())::name, true, 'test_decoding'))
SELECT EXISTS (
  SELECT FROM copy, LATERAL
    pg_catalog.pg_logical_slot_peek_changes(copy.slot_name, $2::pg_lsn, 1, VARIADIC CASE
      WHEN pg_catalog.current_setting('server_version_num')::int < 140000 THEN '{skip-empty-xacts,1}'::text[]
      ELSE '{skip-empty-xacts,1,stream-changes,1}'::text[] END)) AS waiting`,
    values: [name, formatLsn(end)],
    read: (rows) => oneRow(z.object({ waiting: z.boolean() }))(rows).waiting,
  };
}

/**
 * Moves the slot to `end` unless it is there already, and gives where it is. Null = in use, gone, or no primary's any
 * more. 55000 when its consumer has moved it past `end` at this moment, 55006 when it is using it.
 */
export function moveIdleSlot(name: string, end: Lsn): Statement<Lsn | null> {
  const row = rowOrNone(z.object({ position: z.string() }));
  return {
    verb: `move idle slot ${name}`,
    text: `
SELECT (CASE WHEN s.confirmed_flush_lsn < $2::pg_lsn
  THEN (SELECT a.end_lsn FROM pg_catalog.pg_replication_slot_advance(s.slot_name, $2::pg_lsn) a)
  ELSE s.confirmed_flush_lsn END)::text AS position
FROM pg_catalog.pg_replication_slots s
WHERE s.slot_name = $1::name AND s.slot_type = 'logical' AND NOT s.active AND NOT pg_catalog.pg_is_in_recovery()`,
    values: [name, formatLsn(end)],
    read: (rows) => parseLsn(row(rows)?.position ?? '') ?? null,
  };
}
