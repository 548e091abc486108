import { z } from 'zod';
import type { TimelineSwitch } from '../../domain/local.ts';
import { parseLsn } from '../../domain/lsn.ts';
import { type Statement, oneRow } from '../statement.ts';

/** The history file of a timeline. A replication connection's command; 58P01 for timeline 1, which has none. */
export function timelineHistory(timeline: number): Statement<readonly TimelineSwitch[]> {
  // A Buffer from 13, a string from 14.
  const row = z.object({ content: z.union([z.string(), z.instanceof(Buffer)]) });
  return {
    verb: `read the history of timeline ${timeline}`,
    text: `TIMELINE_HISTORY ${timeline}`,
    values: [],
    read: (rows) => switchesIn(oneRow(row)(rows).content.toString()),
  };
}

/** Lines of "timeline, tab, position, tab, reason"; empty lines and comments between them. */
export function switchesIn(text: string): readonly TimelineSwitch[] {
  return text.split('\n').flatMap((line) => {
    const [, timeline = '', position = '', reason = ''] = /^\s*(\d+)\s+(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    const lsn = parseLsn(position);
    return lsn === undefined ? [] : [{ timeline: Number(timeline), lsn, reason }];
  });
}
