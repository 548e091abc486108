import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

/** `server_version_num`, e.g. 150018. */
export function serverVersion(): Statement<number> {
  return {
    verb: 'ask for the version',
    text: `SELECT pg_catalog.current_setting('server_version_num')::int AS version`,
    values: [],
    read: (rows) => oneRow(z.object({ version: z.number() }))(rows).version,
  };
}
