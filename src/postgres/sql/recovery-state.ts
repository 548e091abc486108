import { z } from 'zod';
import { type Statement, nothing, oneRow, rowsOf } from '../statement.ts';

export function isInRecovery(): Statement<boolean> {
  return {
    verb: 'ask whether it is in recovery',
    text: 'SELECT pg_catalog.pg_is_in_recovery() AS standby',
    values: [],
    read: (rows) => oneRow(z.object({ standby: z.boolean() }))(rows).standby,
  };
}

export function checkpoint(): Statement<null> {
  return { verb: 'write a checkpoint', text: 'CHECKPOINT', values: [], read: nothing };
}

/** When the configuration was read last, as the backend has it from its postmaster. */
export function configurationRead(): Statement<string> {
  return {
    verb: 'ask when the configuration was read',
    text: 'SELECT pg_catalog.pg_conf_load_time()::text AS at',
    values: [],
    read: (rows) => oneRow(z.object({ at: z.string() }))(rows).at,
  };
}

/** Settings whose new value waits for a restart, by name. */
export function pendingRestart(): Statement<readonly string[]> {
  return {
    verb: 'ask which settings wait for a restart',
    text: 'SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY name',
    values: [],
    read: (rows) => rowsOf(z.object({ name: z.string() }))(rows).map(({ name }) => name),
  };
}
