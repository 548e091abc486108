import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

const row = z.object({ inRecovery: z.boolean(), systemIdentifier: z.string(), versionNum: z.number() });

/** What the server that slots are copied from must be: a primary of the same cluster and the same major version. */
export function copySource(): Statement<z.infer<typeof row>> {
  return {
    verb: 'ask who the primary is',
    text: `
SELECT pg_catalog.pg_is_in_recovery() AS "inRecovery",
  (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS "systemIdentifier",
  pg_catalog.current_setting('server_version_num')::int AS "versionNum"`,
    values: [],
    read: oneRow(row),
  };
}
