import type { Subscription } from 'rxjs';
import type { Clock } from '../base/clock.ts';
import type { Connection } from './client.ts';
import type { Statement } from './statement.ts';
import { givenUp } from './trouble.ts';

export interface PoolOptions {
  readonly clock: Clock;
  readonly connect: (database: string, signal: AbortSignal) => Promise<Connection>;
  /** At once, over all databases: the rest of the server's connections are for others. */
  readonly maxRunning: number;
  /** Kept open per database when nothing runs on them. */
  readonly maxIdle: number;
  /** An idle connection keeps others from dropping its database, so it does not stay for long. */
  readonly idleMs: number;
}

/**
 * Runs statements that may hang, each on a connection of its own, so that one never waits for another. Only when
 * `maxRunning` of them run does the next one wait for its turn; the server's statement timeout bounds that wait.
 */
export interface Pool {
  run<Result>(database: string, statement: Statement<Result>, signal: AbortSignal): Promise<Result>;
  close(): Promise<void>;
}

interface Idle {
  readonly connection: Connection;
  readonly expiry: Subscription;
}

export function createPool(options: PoolOptions): Pool {
  const { clock, maxRunning, maxIdle, idleMs } = options;
  const idle = new Map<string, Idle[]>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let closed = false;

  const takeTurn = async (verb: string, signal: AbortSignal): Promise<void> => {
    if (running < maxRunning) {
      running += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        waiting.splice(waiting.indexOf(turn), 1);
        reject(givenUp(verb));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiting.push(turn);
    });
  };

  const giveTurn = (): void => {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  };

  const take = (database: string): Connection | undefined => {
    for (;;) {
      // The newest: the others then grow old and are closed.
      const entry = idle.get(database)?.pop();
      entry?.expiry.unsubscribe();
      if (entry === undefined || entry.connection.isOpen()) return entry?.connection;
    }
  };

  const giveBack = (database: string, connection: Connection): void => {
    const entries = idle.get(database) ?? [];
    if (closed || !connection.isOpen() || entries.length >= maxIdle) {
      void connection.close();
      return;
    }
    const expiry = clock.scheduler.schedule(() => {
      entries.splice(
        entries.findIndex((entry) => entry.connection === connection),
        1,
      );
      void connection.close();
    }, idleMs);
    entries.push({ connection, expiry });
    idle.set(database, entries);
  };

  return {
    run: async (database, statement, signal) => {
      if (closed || signal.aborted) throw givenUp(statement.verb);
      await takeTurn(statement.verb, signal);
      try {
        const connection = take(database) ?? (await options.connect(database, signal));
        try {
          return await connection.run(statement, signal);
        } finally {
          giveBack(database, connection);
        }
      } finally {
        giveTurn();
      }
    },
    close: async () => {
      closed = true;
      const entries = [...idle.values()].flat();
      idle.clear();
      for (const { expiry } of entries) expiry.unsubscribe();
      await Promise.all(entries.map(({ connection }) => connection.close()));
    },
  };
}
