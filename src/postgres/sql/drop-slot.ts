import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

/** Drops the slot unless it is active, temporary, of the other type, or gone. True = it is not there any more. */
export function dropSlot(slot: { readonly name: string; readonly type: 'logical' | 'physical' }): Statement<boolean> {
  return {
    verb: `drop ${slot.type} slot ${slot.name}`,
    text: `
WITH dropped AS (
  SELECT pg_catalog.pg_drop_replication_slot(slot_name)
  FROM pg_catalog.pg_replication_slots
  WHERE slot_name = $1::name AND slot_type = $2::text AND NOT active AND NOT temporary)
SELECT (SELECT count(*) FROM dropped) > 0
  OR NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name) AS gone`,
    values: [slot.name, slot.type],
    read: (rows) => oneRow(z.object({ gone: z.boolean() }))(rows).gone,
  };
}
