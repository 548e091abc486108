import { type Statement, nothing } from '../statement.ts';

/**
 * PostgreSQL 17+, on a standby: PostgreSQL's own synchronisation, once, unless its worker runs, which it would refuse
 * with 55000. Who may not see the other processes (`pg_monitor`) gets that error.
 */
export function syncSlots(): Statement<null> {
  return {
    verb: 'synchronise the slots once',
    text: `
SELECT pg_catalog.pg_sync_replication_slots()
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type = 'slotsync worker')`,
    values: [],
    read: nothing,
  };
}
