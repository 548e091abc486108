import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

/**
 * A file of the server's data directory, whole; `path` is relative to it. This is the form of the function that can be
 * granted alone (FACTS 2). 58P01 when there is no such file.
 */
export function readBinaryFile(path: string): Statement<Buffer> {
  return {
    verb: `read ${path}`,
    text: 'SELECT pg_catalog.pg_read_binary_file($1::text) AS contents',
    values: [path],
    read: (rows) => oneRow(z.object({ contents: z.instanceof(Buffer) }))(rows).contents,
  };
}
