import { oldestMajor, majorOf, versionText } from '../domain/version.ts';
import type { Connection } from './client.ts';
import { ServerError } from './port.ts';
import { type LookRow, look } from './sql/look.ts';
import { serverVersion } from './sql/server-version.ts';
import type { Statement } from './statement.ts';

/** Asks the server, again and again, on one connection that does nothing else and is made anew when it breaks. */
export interface Looker {
  readonly look: (signal: AbortSignal) => Promise<LookRow>;
  readonly close: () => Promise<void>;
}

interface Open {
  readonly connection: Connection;
  readonly statement: Statement<LookRow>;
}

export function createLooker(connect: (signal: AbortSignal) => Promise<Connection>): Looker {
  let current: Open | null = null;

  const reconnect = async (signal: AbortSignal): Promise<Open> => {
    const connection = await connect(signal);
    try {
      // A connection never outlives the server, so what it was told of the version stays true.
      const versionNum = await connection.run(serverVersion(), signal);
      if (majorOf(versionNum) < oldestMajor) {
        const what = `this server is PostgreSQL ${versionText(versionNum)}; slotkeeper needs ${oldestMajor} or later`;
        throw new ServerError(what, 'refused', null);
      }
      return { connection, statement: look(versionNum) };
    } catch (error) {
      await connection.close();
      throw error;
    }
  };

  return {
    look: async (signal) => {
      const open = current?.connection.isOpen() === true ? current : await reconnect(signal);
      current = open;
      return open.connection.run(open.statement, signal);
    },
    close: async () => {
      await current?.connection.close();
      current = null;
    },
  };
}
