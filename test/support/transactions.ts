import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { eventually } from './eventually.ts';

/**
 * Writers whose transactions overlap all the time, so that no position in the WAL is without a running one: each
 * inserts a row, pauses, inserts another, and commits. Their server may die under them.
 */
export interface Transactions {
  /** The numbers of the rows whose COMMIT has returned. */
  readonly acknowledged: ReadonlySet<number>;
  /** Resolves when so many more rows are acknowledged. */
  untilMore(rows: number): Promise<void>;
  stop(): Promise<void>;
}

/** Needs a table `table (id bigint primary key)`. */
export function startTransactions(
  server: PostgresServer,
  { table, writers }: { readonly table: string; readonly writers: number },
): Transactions {
  const acknowledged = new Set<number>();
  const stop = new AbortController();
  let next = 1;
  const write = (writer: number): Promise<void> =>
    server.withClient(async (client) => {
      while (!stop.signal.aborted) {
        const rows = [next, next + 1];
        next += 2;
        await client.query('begin');
        await client.query(`insert into ${table} values ($1)`, [rows[0]]);
        // each its own rhythm, so that their ends never fall together
        await delay(20 + 13 * writer);
        await client.query(`insert into ${table} values ($1)`, [rows[1]]);
        await client.query('commit');
        for (const row of rows) acknowledged.add(row);
      }
    });
  // a connection that breaks ends its writer: what it had not committed then is nobody's row
  const done = Promise.allSettled(Array.from({ length: writers }, (_, writer) => write(writer)));
  return {
    acknowledged,
    untilMore: async (rows) => {
      const wanted = acknowledged.size + rows;
      await eventually(() => acknowledged.size >= wanted, { what: `${rows} more rows`, timeoutMs: 60_000 });
    },
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}
