import { z } from 'zod';
import type { Role } from '../../domain/server.ts';
import { type Statement, oneRow } from '../statement.ts';

export interface SlotToDrop {
  readonly name: string;
  readonly type: 'logical' | 'physical';
  /** Dropped only while the server is in this role; without one in either. */
  readonly role?: Role;
}

/**
 * Drops the slot unless it is active, temporary, of the other type, or gone, or the server is in the other role: a promotion
 * can come between the decision and the statement. True = the slot is not there any more.
 */
export function dropSlot(slot: SlotToDrop): Statement<boolean> {
  return {
    verb: `drop ${slot.type} slot ${slot.name}`,
    text: `
WITH dropped AS (
  SELECT pg_catalog.pg_drop_replication_slot(slot_name)
  FROM pg_catalog.pg_replication_slots
  WHERE slot_name = $1::name AND slot_type = $2::text AND NOT active AND NOT temporary
    AND ($3::text = '' OR pg_catalog.pg_is_in_recovery() = ($3::text = 'standby')))
SELECT (SELECT count(*) FROM dropped) > 0
  OR NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name) AS gone`,
    values: [slot.name, slot.type, slot.role ?? ''],
    read: (rows) => oneRow(z.object({ gone: z.boolean() }))(rows).gone,
  };
}
