import { z } from 'zod';
import { type Lsn, formatLsn } from '../../domain/lsn.ts';
import { type Statement, oneRow } from '../statement.ts';

/** Why nothing was copied; null = it was, or a slot of that name was there. */
export type CopyObstacle = 'not_a_standby' | 'template_gone' | 'template_ahead';

/**
 * Copies the logical slot `template` under the name `name` and with the given plugin, unless a slot of that name exists.
 * Two things are checked once more inside the statement: on a server that was promoted since it was asked for, the name
 * belongs to consumers; and a template that is past `target` would make a copy that skips changes (S1). In the slot's
 * database (PostgreSQL 16 refuses any other).
 */
export function copyFromTemplate(slot: {
  readonly name: string;
  readonly template: string;
  readonly plugin: string;
  readonly target: Lsn;
}): Statement<CopyObstacle | null> {
  return {
    verb: `copy slot ${slot.template} as ${slot.name}`,
    text: `
WITH server AS MATERIALIZED (
  SELECT CASE
    WHEN NOT pg_catalog.pg_is_in_recovery() THEN 'not_a_standby'
    WHEN n.slot_name IS NOT NULL THEN NULL
    WHEN t.confirmed_flush_lsn IS NULL THEN 'template_gone'
    WHEN t.confirmed_flush_lsn > $4::pg_lsn THEN 'template_ahead' END AS obstacle,
    n.slot_name IS NOT NULL AS is_there
  FROM (VALUES (1)) one
  LEFT JOIN pg_catalog.pg_replication_slots t ON t.slot_name = $2::name
  LEFT JOIN pg_catalog.pg_replication_slots n ON n.slot_name = $1::name),
copied AS (
  SELECT pg_catalog.pg_copy_logical_replication_slot($2::name, $1::name, false, $3::name)
  FROM server
  WHERE obstacle IS NULL AND NOT is_there)
SELECT obstacle, (SELECT count(*) FROM copied) FROM server`,
    values: [slot.name, slot.template, slot.plugin, formatLsn(slot.target)],
    read: (rows) =>
      oneRow(z.object({ obstacle: z.enum(['not_a_standby', 'template_gone', 'template_ahead']).nullable() }))(rows)
        .obstacle,
  };
}
