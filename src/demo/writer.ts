import pg from 'pg';
import { setTimeout as delay } from 'node:timers/promises';

export interface WriterOptions {
  /** The connection URL of the server that is the primary now; null = there is none at the moment. */
  readonly findPrimary: () => Promise<string | null>;
  readonly table: string;
  readonly rowsPerSecond: number;
  /** The number of the first row; 1 by default. */
  readonly firstRow?: number;
  /** After so long without an answer it looks for the primary again; it waits as long as it takes by default. */
  readonly patienceMs?: number;
}

/**
 * Writes numbered rows at a steady rate to whichever server is the primary. A row counts as acknowledged when its COMMIT
 * has returned; one whose fate is unknown, because the connection broke, is left behind and never counted.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #acknowledged = new Map<number, number>();
  #next: number;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#next = options.firstRow ?? 1;
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Row number → when its COMMIT returned, monotonic milliseconds. */
  get acknowledged(): ReadonlyMap<number, number> {
    return this.#acknowledged;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const url = await this.#options.findPrimary().catch(() => null);
      if (url !== null) await this.#writeTo(url, signal);
      await delay(50);
    }
  }

  async #writeTo(url: string, signal: AbortSignal): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 2_000,
      application_name: 'demo-writer',
      ...(this.#options.patienceMs === undefined ? {} : { query_timeout: this.#options.patienceMs }),
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      while (!signal.aborted) {
        const row = this.#next;
        this.#next += 1;
        await client.query(`INSERT INTO ${this.#options.table} (id) VALUES ($1)`, [row]);
        this.#acknowledged.set(row, performance.now());
        await delay(1_000 / this.#options.rowsPerSecond);
      }
    } catch {
      // The server is gone or not the primary any more: look for the one that is.
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** The longest time without an acknowledged row among those acknowledged from a moment on, the one before it included. */
export function longestGapMs(acknowledged: ReadonlyMap<number, number>, fromMs: number): number {
  const times = [...acknowledged.values()].sort((a, b) => a - b);
  let longest = 0;
  for (const [index, atMs] of times.entries()) {
    if (atMs >= fromMs && index > 0) longest = Math.max(longest, atMs - (times[index - 1] ?? atMs));
  }
  return longest;
}
