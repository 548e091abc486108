import type { Connection } from './client.ts';
import { databaseOf, withDatabase } from './conninfo.ts';
import { type LocalServer, ServerError } from './port.ts';
import type { Ask } from './required-version.ts';
import { alterSystem, reloadConfiguration } from './sql/alter-system.ts';
import { keepStatementsSecret, upstreamConninfo } from './sql/upstream-conninfo.ts';
import { sqlstate } from './sqlstate.ts';

export type SettingActions = Pick<LocalServer, 'setFeedback' | 'alterSettings' | 'setUpstreamDatabase'>;

/** Settings are written with ALTER SYSTEM, which refuses to be part of a transaction, and take effect with a reload. */
export function settingActions(ask: Ask, connect: (signal: AbortSignal) => Promise<Connection>): SettingActions {
  return {
    setFeedback: async (mode, signal) => {
      await ask(alterSystem({ name: 'hot_standby_feedback', value: mode === 'on' ? 'on' : null }), signal);
      await ask(reloadConfiguration(), signal);
    },
    alterSettings: async (changes, signal) => {
      for (const change of changes) await ask(alterSystem(change), signal);
      await ask(reloadConfiguration(), signal);
    },
    setUpstreamDatabase: async (database, signal) => {
      // A connection of its own: what is switched off on it must stay on for the others.
      const connection = await connect(signal);
      try {
        await connection.run(keepStatementsSecret(), signal);
        const conninfo = await connection.run(upstreamConninfo(), signal);
        if (databaseOf(conninfo) !== null) return;
        if (conninfo === '') {
          const state = sqlstate.objectNotInPrerequisiteState;
          throw new ServerError('put dbname into primary_conninfo: it is empty', 'refused', state);
        }
        const value = withDatabase(conninfo, database);
        await connection.run(alterSystem({ name: 'primary_conninfo', value }), signal).catch(withoutValue);
        await connection.run(reloadConfiguration(), signal);
      } finally {
        await connection.close();
      }
    },
  };
}

/** PostgreSQL may quote in its message what it did not like, and here that holds a password. The code alone is safe. */
function withoutValue(error: unknown): never {
  const { trouble, sqlstate: state } =
    error instanceof ServerError ? error : { trouble: 'other' as const, sqlstate: null };
  const because = state === null ? 'the connection broke' : `SQLSTATE ${state}`;
  throw new ServerError(`put dbname into primary_conninfo: ${because}`, trouble, state);
}
