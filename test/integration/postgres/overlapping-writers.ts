import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../../src/sandbox/postgres-server.ts';

/** Writers whose transactions overlap all the time, so that no moment is without a running one. */
export interface Writers {
  /** The numbers of the rows whose COMMIT was acknowledged. */
  readonly acknowledged: ReadonlySet<number>;
  /** Resolves when so many more rows are acknowledged. */
  untilMore(rows: number): Promise<void>;
  stop(): Promise<void>;
}

/** Needs a table `written (id int primary key)`. */
export function startWriters(server: PostgresServer, count: number): Writers {
  const acknowledged = new Set<number>();
  const stop = new AbortController();
  let next = 0;
  const write = (writer: number): Promise<void> =>
    server.withClient(async (client) => {
      while (!stop.signal.aborted) {
        next += 1;
        const id = next;
        await client.query('begin');
        await client.query('insert into written values ($1)', [id]);
        // Each its own rhythm, so that their ends never fall together.
        await delay(20 + 13 * writer);
        await client.query('commit');
        acknowledged.add(id);
      }
    });
  const writers = Array.from({ length: count }, (_, writer) => write(writer));
  return {
    acknowledged,
    untilMore: async (rows) => {
      const wanted = acknowledged.size + rows;
      while (acknowledged.size < wanted) {
        // Ends also when the writers have failed.
        await Promise.race([delay(10), Promise.all(writers)]);
      }
    },
    stop: async () => {
      stop.abort();
      await Promise.all(writers);
    },
  };
}

/** What a consumer gets from the slot now, through test_decoding: the numbers of the rows. The slot moves. */
export async function consume(server: PostgresServer, slot: string): Promise<readonly number[]> {
  const rows = await server.query<{ data: string }>('select data from pg_logical_slot_get_changes($1, null, null)', [
    slot,
  ]);
  return rows.flatMap(({ data }) => {
    const id = /^table public\.written: INSERT: id\[integer\]:(\d+)\b/.exec(data)?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}
