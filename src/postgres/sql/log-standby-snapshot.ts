import { type Statement, nothing } from '../statement.ts';

/** PostgreSQL 16+, on a primary: writes into the WAL which transactions run. 55000 on a standby. */
export function logStandbySnapshot(): Statement<null> {
  return {
    verb: 'log the running transactions',
    text: 'SELECT pg_catalog.pg_log_standby_snapshot()',
    values: [],
    read: nothing,
  };
}
