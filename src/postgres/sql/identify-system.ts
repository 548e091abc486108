import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

/** The timeline that the server is on, right also on a standby. A replication connection's command. */
export function identifySystem(): Statement<number> {
  return {
    verb: 'ask for the timeline',
    text: 'IDENTIFY_SYSTEM',
    values: [],
    // int4 up to 15; int8, which comes as text, from 16.
    read: (rows) => oneRow(z.object({ timeline: z.coerce.number().int().positive() }))(rows).timeline,
  };
}
