import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { eventually } from './eventually.ts';

/**
 * Writers whose transactions overlap all the time, so that no position in the WAL is without a running one: each
 * inserts a row, pauses, inserts another, and commits. Their server may die under them: they go on on the next.
 */
export interface Transactions {
  /** The numbers of the rows whose COMMIT has returned. */
  readonly acknowledged: ReadonlySet<number>;
  /** The highest number that any row has; what is written later has a higher one. */
  readonly lastIssued: () => number;
  start(): void;
  /** Resolves when so many more rows are acknowledged. */
  untilMore(rows: number): Promise<void>;
  stop(): Promise<void>;
}

export interface TransactionsOptions {
  /** The connection URL of the server that is the primary now; null = there is none at the moment. */
  readonly findPrimary: () => Promise<string | null>;
  /** Has to be there as `table (id bigint primary key)`; other columns have to have defaults. */
  readonly table: string;
  readonly writers: number;
}

export function overlappingTransactions({ findPrimary, table, writers }: TransactionsOptions): Transactions {
  const acknowledged = new Set<number>();
  const stop = new AbortController();
  let next = 1;
  const writeTo = async (connectionString: string, writer: number): Promise<void> => {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000, application_name: 'writer' });
    // it breaks while nobody asks anything; whoever asks gets the error from the query
    client.on('error', () => undefined);
    try {
      await client.connect();
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
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const write = async (writer: number): Promise<void> => {
    while (!stop.signal.aborted) {
      const url = await findPrimary().catch(() => null);
      // a connection that breaks: what was not committed then is nobody's row
      if (url !== null) await writeTo(url, writer).catch(() => undefined);
      await delay(50);
    }
  };
  let done: Promise<unknown> = Promise.resolve();
  return {
    acknowledged,
    lastIssued: () => next - 1,
    start: () => {
      done = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    },
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
