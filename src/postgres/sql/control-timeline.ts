import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

/**
 * The timeline as `pg_control` has it, for a standby that nothing better can be asked of: the checkpoint's is stale
 * after a promotion (FACTS 4), the one that recovery must reach follows as replayed pages are written.
 */
export function controlTimeline(): Statement<number> {
  return {
    verb: 'ask the control file for the timeline',
    text: `
SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) AS timeline
FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r`,
    values: [],
    read: (rows) => oneRow(z.object({ timeline: z.number().int().positive() }))(rows).timeline,
  };
}
