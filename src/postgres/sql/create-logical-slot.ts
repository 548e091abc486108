import { type Statement, nothing } from '../statement.ts';

/**
 * Creates the slot in the database of the connection, unless a slot of that name exists. Waits for every transaction
 * that is running; on a standby, for the primary to log which are. Only PostgreSQL 17 knows the form with `failover`.
 */
export function createLogicalSlot(slot: { name: string; plugin: string; failover: boolean }): Statement<null> {
  const options = slot.failover ? ', temporary => false, twophase => false, failover => true' : '';
  return {
    verb: `create logical slot ${slot.name}`,
    text: `
SELECT pg_catalog.pg_create_logical_replication_slot($1::name, $2::name${options})
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name)`,
    values: [slot.name, slot.plugin],
    read: nothing,
  };
}
