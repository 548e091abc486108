import { z } from 'zod';
import { type Statement, rowsOf } from '../statement.ts';

/** The process ids of the walsenders that do not serve a logical slot: those of standbys and backups. */
export function physicalWalsenders(): Statement<readonly number[]> {
  return {
    verb: 'list the walsenders',
    text: `
SELECT r.pid FROM pg_catalog.pg_stat_replication AS r
WHERE NOT EXISTS (
  SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')`,
    values: [],
    read: (rows) => rowsOf(z.object({ pid: z.number() }))(rows).map(({ pid }) => pid),
  };
}
