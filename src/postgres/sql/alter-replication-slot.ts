import { type Statement, nothing } from '../statement.ts';
import { identifier } from './quote.ts';

/**
 * PostgreSQL 17+: ends the session when a transaction in it lasts longer (25P04). On a replication connection nothing
 * else limits a replication command: `statement_timeout` does not count there, and a backend whose client has gone away
 * waits on, to do it much later.
 */
export function limitTransactions(milliseconds: number): Statement<null> {
  return {
    verb: 'limit the time of transactions',
    text: `SET transaction_timeout = ${milliseconds}`,
    values: [],
    read: nothing,
  };
}

export function begin(): Statement<null> {
  return { verb: 'begin a transaction', text: 'BEGIN', values: [], read: nothing };
}

/** A replication connection's command, 17+. Waits while the slot is in use. Is done for good whatever the transaction does. */
export function alterReplicationSlot(slot: { readonly name: string; readonly failover: boolean }): Statement<null> {
  return {
    verb: `set failover of slot ${slot.name}`,
    text: `ALTER_REPLICATION_SLOT ${identifier(slot.name)} (FAILOVER ${slot.failover})`,
    values: [],
    read: nothing,
  };
}
