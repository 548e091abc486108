import { z } from 'zod';
import { type Statement, nothing, oneRow } from '../statement.ts';

/** The whole `primary_conninfo`, password and all. 42501 for who may not see it. */
export function upstreamConninfo(): Statement<string> {
  return {
    verb: 'read primary_conninfo',
    text: `SELECT pg_catalog.current_setting('primary_conninfo') AS conninfo`,
    values: [],
    read: (rows) => oneRow(z.object({ conninfo: z.string() }))(rows).conninfo,
  };
}

/**
 * Keeps the statements of this connection out of the server's log, of what it shows of running statements, and of its
 * statistics: ALTER SYSTEM takes no parameters, so a password would stand in its text. 42501 for who may not. The server
 * itself logs the new value of every setting that a reload changes, which nothing here can prevent: a password that is to
 * stay out of that log belongs into a `passfile`.
 */
export function keepStatementsSecret(): Statement<null> {
  const settings = {
    log_statement: 'none',
    log_min_duration_statement: '-1',
    log_min_duration_sample: '-1',
    log_transaction_sample_rate: '0',
    log_min_error_statement: 'panic',
    track_activities: 'off',
    'pg_stat_statements.track': 'none',
  };
  const calls = Object.entries(settings).map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`);
  return {
    verb: 'keep statements out of the log',
    text: `SELECT ${calls.join(', ')}`,
    values: [],
    read: nothing,
  };
}
