import { type Statement, nothing } from '../statement.ts';

/** Writes or takes back the setting in `postgresql.auto.conf`. Takes effect with a reload, without a restart. */
export function alterFeedback(mode: 'on' | 'reset'): Statement<null> {
  return {
    verb: mode === 'on' ? 'switch hot_standby_feedback on' : 'reset hot_standby_feedback',
    text: mode === 'on' ? 'ALTER SYSTEM SET hot_standby_feedback = on' : 'ALTER SYSTEM RESET hot_standby_feedback',
    values: [],
    read: nothing,
  };
}

export function reloadConfiguration(): Statement<null> {
  return { verb: 'reload the configuration', text: 'SELECT pg_catalog.pg_reload_conf()', values: [], read: nothing };
}
