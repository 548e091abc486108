import { z } from 'zod';
import { type Statement, oneRow } from '../statement.ts';

const row = z.object({
  dataDirectory: z.string().nullable(),
  hotStandby: z.boolean(),
  databases: z.array(z.object({ name: z.string(), oid: z.number() })),
});

/** What a copy needs to know of the server that gets the slots, besides a look. `dataDirectory` null = not for this role. */
export function copyTarget(): Statement<z.infer<typeof row>> {
  return {
    verb: 'ask what a copy needs to know',
    text: `
SELECT CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
    THEN pg_catalog.current_setting('data_directory') END AS "dataDirectory",
  pg_catalog.current_setting('hot_standby')::boolean AS "hotStandby",
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', datname, 'oid', oid::bigint))
    FROM pg_catalog.pg_database) AS databases`,
    values: [],
    read: oneRow(row),
  };
}
