import type { AlterableSetting } from '../../domain/server.ts';
import { type Statement, nothing } from '../statement.ts';
import { literal } from './quote.ts';

/**
 * Writes the setting into `postgresql.auto.conf`, or takes it out of there (`value` null). Takes effect with a reload,
 * without a restart. The value of a list stands in one literal, names with commas between them: that is how the file
 * has it.
 */
export function alterSystem(change: {
  readonly name: AlterableSetting | 'hot_standby_feedback' | 'primary_conninfo';
  readonly value: string | null;
}): Statement<null> {
  const { name, value } = change;
  return {
    verb: value === null ? `reset ${name}` : `set ${name}`,
    text: value === null ? `ALTER SYSTEM RESET ${name}` : `ALTER SYSTEM SET ${name} = ${literal(value)}`,
    values: [],
    read: nothing,
  };
}

export function reloadConfiguration(): Statement<null> {
  return { verb: 'reload the configuration', text: 'SELECT pg_catalog.pg_reload_conf()', values: [], read: nothing };
}
