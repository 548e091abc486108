import { advance } from './advance.ts';
import type { Connection } from './client.ts';
import { unless } from './expected-error.ts';
import type { Pool } from './pool.ts';
import type { LocalServer } from './port.ts';
import { type Ask, requireMajor } from './required-version.ts';
import { createLogicalSlot } from './sql/create-logical-slot.ts';
import { createPhysicalSlot } from './sql/create-physical-slot.ts';
import { dropSlot } from './sql/drop-slot.ts';
import { sqlstate } from './sqlstate.ts';

export type SlotActions = Pick<
  LocalServer,
  'createLogicalSlot' | 'createPhysicalSlot' | 'advanceLogicalSlot' | 'advancePhysicalSlot' | 'dropSlot'
>;

export interface SlotConnections {
  /** For what may hang: a connection per running statement. */
  readonly pool: Pool;
  /** The database for what needs no particular one. */
  readonly database: string;
  /** A connection on which a statement may take as long as creating a slot does. */
  readonly patient: (database: string, signal: AbortSignal) => Promise<Connection>;
}

/** What is done to single slots over SQL. Each is idempotent; a race that leaves what was wanted is no error. */
export function slotActions({ pool, database, patient }: SlotConnections): SlotActions {
  return {
    createLogicalSlot: async ({ failover = false, ...slot }, signal) => {
      const connection = await patient(slot.database, signal);
      try {
        const ask: Ask = (statement, until) => connection.run(statement, until);
        if (failover) await requireMajor(ask, 17, `create failover slot ${slot.name}`, signal);
        await ask(createLogicalSlot({ ...slot, failover }), signal).catch(unless(sqlstate.duplicateObject, null));
      } finally {
        await connection.close();
      }
    },
    createPhysicalSlot: async ({ name }, signal) => {
      await pool.run(database, createPhysicalSlot(name), signal).catch(unless(sqlstate.duplicateObject, null));
    },
    advanceLogicalSlot: (slot, signal) => advance(pool, slot.database, { ...slot, type: 'logical' }, signal),
    advancePhysicalSlot: (slot, signal) => advance(pool, database, { ...slot, type: 'physical' }, signal),
    dropSlot: (slot, signal) =>
      pool
        .run(database, dropSlot(slot), signal)
        .catch(unless(sqlstate.objectInUse, false))
        .catch(unless(sqlstate.undefinedObject, true)),
  };
}
