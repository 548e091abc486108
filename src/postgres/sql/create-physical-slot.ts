import { type Statement, nothing } from '../statement.ts';

/** Creates the slot with WAL reserved at once (one without `restart_lsn` cannot be advanced), unless it exists. */
export function createPhysicalSlot(name: string): Statement<null> {
  return {
    verb: `create physical slot ${name}`,
    text: `
SELECT pg_catalog.pg_create_physical_replication_slot($1::name, true)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name)`,
    values: [name],
    read: nothing,
  };
}
