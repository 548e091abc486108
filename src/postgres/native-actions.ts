import type { Connection } from './client.ts';
import { hasState, unless } from './expected-error.ts';
import { type LocalServer, ServerError } from './port.ts';
import { type Ask, requireMajor } from './required-version.ts';
import { alterReplicationSlot, begin, limitTransactions } from './sql/alter-replication-slot.ts';
import { changesWait, idleSlotEnd, moveIdleSlot } from './sql/idle-slot.ts';
import { syncSlots } from './sql/sync-slots.ts';
import { sqlstate } from './sqlstate.ts';

export type NativeActions = Pick<LocalServer, 'setFailover' | 'moveIdleSlot' | 'syncSlots'>;

export interface NativeConnections {
  readonly ask: Ask;
  /** A connection on which a statement may take as long as decoding all WAL since a slot's restart position does. */
  readonly patient: (database: string, signal: AbortSignal) => Promise<Connection>;
  readonly replicationConnection: (signal: AbortSignal) => Promise<Connection>;
}

/** A slot that becomes free within this time counts as free. */
const waitForFreeSlotMs = 250;

/** What PostgreSQL's own slot synchronisation needs from outside. */
export function nativeActions({ ask, patient, replicationConnection }: NativeConnections): NativeActions {
  return {
    setFailover: async (slot, signal) => {
      await requireMajor(ask, 17, `set failover of slot ${slot.name}`, signal);
      const connection = await replicationConnection(signal);
      try {
        await connection.run(limitTransactions(waitForFreeSlotMs), signal);
        await connection.run(begin(), signal);
        await connection.run(alterReplicationSlot(slot), signal);
      } catch (error) {
        if (!hasState(error, sqlstate.transactionTimeout)) throw error;
        throw new ServerError(`set failover of slot ${slot.name}: it is in use`, 'refused', sqlstate.objectInUse);
      } finally {
        await connection.close();
      }
    },
    moveIdleSlot: async ({ name, database }, signal) => {
      const connection = await patient(database, signal);
      try {
        const end = await connection.run(idleSlotEnd(name), signal);
        if (end === null || (await connection.run(changesWait(name, end), signal))) return null;
        const move = (): Promise<bigint | null> =>
          connection.run(moveIdleSlot(name, end), signal).catch(unless(sqlstate.objectInUse, null));
        return await move().catch((error: unknown) => {
          // Its consumer has come and gone, and left it further on: there is nothing to move any more.
          if (hasState(error, sqlstate.objectNotInPrerequisiteState)) return move();
          throw error;
        });
      } finally {
        await connection.close();
      }
    },
    syncSlots: async (signal) => {
      await requireMajor(ask, 17, 'synchronise the slots once', signal);
      await ask(syncSlots(), signal);
    },
  };
}
