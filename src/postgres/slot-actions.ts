import type { Lsn } from '../domain/lsn.ts';
import type { Connection } from './client.ts';
import type { Pool } from './pool.ts';
import { type LocalServer, ServerError } from './port.ts';
import { advanceSlot } from './sql/advance-slot.ts';
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
  const advance = async (
    slot: { readonly name: string; readonly type: 'logical' | 'physical'; readonly target: Lsn },
    where: string,
    signal: AbortSignal,
  ): Promise<Lsn> => {
    const advanced = await pool.run(where, advanceSlot(slot), signal);
    const what = `advance ${slot.type} slot ${slot.name}`;
    if (advanced === null) throw new ServerError(`${what}: there is no such slot`, 'refused', sqlstate.undefinedObject);
    if (advanced.position === null) {
      const state = sqlstate.objectNotInPrerequisiteState;
      throw new ServerError(`${what}: it reserves no WAL, so it has no position`, 'refused', state);
    }
    return advanced.position;
  };

  return {
    createLogicalSlot: async (slot, signal) => {
      const connection = await patient(slot.database, signal);
      try {
        await connection.run(createLogicalSlot(slot), signal).catch(unless(sqlstate.duplicateObject, null));
      } finally {
        await connection.close();
      }
    },
    createPhysicalSlot: async ({ name }, signal) => {
      await pool.run(database, createPhysicalSlot(name), signal).catch(unless(sqlstate.duplicateObject, null));
    },
    advanceLogicalSlot: (slot, signal) => advance({ ...slot, type: 'logical' }, slot.database, signal),
    advancePhysicalSlot: (slot, signal) => advance({ ...slot, type: 'physical' }, database, signal),
    dropSlot: (slot, signal) =>
      pool
        .run(database, dropSlot(slot), signal)
        .catch(unless(sqlstate.objectInUse, false))
        .catch(unless(sqlstate.undefinedObject, true)),
  };
}

/** A handler that takes one SQLSTATE for a result and throws everything else on. */
function unless<T>(state: string, result: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof ServerError && error.sqlstate === state) return result;
    throw error;
  };
}
