import { type Statement, nothing } from '../statement.ts';

/**
 * Creates the slot in the database of the connection, unless a slot of that name exists. Waits for every transaction
 * that is running.
 */
export function createLogicalSlot(slot: { name: string; plugin: string }): Statement<null> {
  return {
    verb: `create logical slot ${slot.name}`,
    text: `
SELECT pg_catalog.pg_create_logical_replication_slot($1::name, $2::name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name)`,
    values: [slot.name, slot.plugin],
    read: nothing,
  };
}
