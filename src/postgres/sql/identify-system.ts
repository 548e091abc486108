import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

export interface IdentifiedSystem {
  readonly systemIdentifier: string;
  /** The timeline that the server is on, right also on a standby. */
  readonly timeline: number;
}

/** A replication connection's command. */
export function identifySystem(): Statement<IdentifiedSystem> {
  const row = z.object({
    systemid: z.string(),
    // int4 up to 15; int8, which comes as text, from 16.
    timeline: z.coerce.number().int().positive(),
  });
  return {
    verb: 'ask for the timeline',
    text: 'IDENTIFY_SYSTEM',
    values: [],
    read: (rows) => {
      const { systemid, timeline } = oneRow(row)(rows);
      return { systemIdentifier: systemid, timeline };
    },
  };
}
