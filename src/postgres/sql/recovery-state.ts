import { z } from 'zod';
import type { PendingRestart } from '../../domain/managed.ts';
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

/** Settings whose new value waits for a restart; what the files say of it is as they say it. */
export function pendingRestart(): Statement<PendingRestart> {
  return {
    verb: 'ask which settings wait for a restart',
    text: `
      SELECT name, pg_catalog.current_setting(name) AS now,
        (SELECT setting FROM pg_catalog.pg_file_settings f WHERE f.name = s.name ORDER BY seqno DESC LIMIT 1) AS next
      FROM pg_catalog.pg_settings s WHERE pending_restart ORDER BY name`,
    values: [],
    read: (rows) => {
      const row = z.object({ name: z.string(), now: z.string(), next: z.string().nullable() });
      // What was taken out of the files goes back to its default, which nothing tells.
      return new Map(rowsOf(row)(rows).map(({ name, now, next }) => [name, { from: now, to: next ?? '' }]));
    },
  };
}
