import { LogicalReplicationService, PgoutputPlugin, type Pgoutput } from 'pg-logical-replication';
import { setTimeout as delay } from 'node:timers/promises';
import { formatLsn, parseLsn } from '../domain/lsn.ts';

export interface ConsumerOptions {
  readonly slot: string;
  readonly publication: string;
  /** The connection URL of the server that is the primary now; null = there is none at the moment. */
  readonly findPrimary: () => Promise<string | null>;
  /** After so long without a word from the server it looks for the primary again; never by default. */
  readonly patienceMs?: number;
  /** Told of every row that arrives, also when it arrives again. */
  readonly onRow?: (row: number, values: Readonly<Record<string, unknown>>) => void;
}

/**
 * A change-data-capture consumer as many people have one: stores each numbered row it gets, then confirms the position.
 * When its connection breaks it asks where the primary is and goes on from the slot there. It never remembers a
 * position itself: what it misses or gets twice is the slot's doing.
 */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #times = new Map<number, number>();
  #received = 0;
  #service: LogicalReplicationService | null = null;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();
  /** When the consumer last began to stream, and from where; monotonic milliseconds. */
  streaming: { readonly url: string; readonly atMs: number } | null = null;
  lastTrouble: string | null = null;

  constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#service?.destroy().catch(() => undefined);
    await this.#done;
  }

  /** Row numbers that have arrived, each once. */
  get rows(): ReadonlySet<number> {
    return new Set(this.#times.keys());
  }

  get distinct(): number {
    return this.#times.size;
  }

  get duplicated(): number {
    return this.#received - this.#times.size;
  }

  /** When a row arrived first; monotonic milliseconds. */
  arrivedAtMs(row: number): number | null {
    return this.#times.get(row) ?? null;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const url = await this.#options.findPrimary().catch(() => null);
      if (url !== null) await this.#consume(url, signal);
      this.streaming = null;
      await delay(50);
    }
  }

  /** Streams until the connection ends, for whatever reason. */
  async #consume(url: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const service = new LogicalReplicationService(
      { connectionString: url, connectionTimeoutMillis: 2_000, application_name: 'demo-consumer' },
      { acknowledge: { auto: false, timeoutSeconds: 0 } },
    );
    this.#service = service;
    service.on('start', () => {
      this.streaming = { url, atMs: performance.now() };
      this.lastTrouble = null;
    });
    service.on('error', (error) => (this.lastTrouble = error.message));
    service.on('data', (_lsn: string, message: Pgoutput.Message) => {
      if (message.tag === 'insert') this.#store(message.new);
      // The start of the commit record, not its end: the package confirms one byte more than it is given, and the next
      // commit may begin right at the end of this one.
      if (message.tag === 'commit' && message.commitLsn !== null) void service.acknowledge(message.commitLsn);
    });
    // Between transactions everything that was sent is stored. A consumer that says nothing then is cut off after
    // wal_sender_timeout, and a primary that stops in order waits for it all that time.
    service.on('heartbeat', (lsn: string, _timestamp: number, mustRespond: boolean) => {
      const sent = parseLsn(lsn) ?? 0n;
      // one byte less, for the same reason as above
      if (mustRespond && sent > 0n) void service.acknowledge(formatLsn(sent - 1n));
    });
    const { publication } = this.#options;
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] });
    // The package's own also sends the option `messages`, which PostgreSQL 13 does not know.
    plugin.start = (client, slot, lsn) =>
      client.query(
        `START_REPLICATION SLOT "${slot}" LOGICAL ${lsn} (proto_version '1', publication_names '${publication}')`,
      );
    const patience = this.#expectWords(service);
    await service.subscribe(plugin, this.#options.slot).catch((error: unknown) => {
      this.lastTrouble = error instanceof Error ? error.message : 'unknown error';
    });
    clearTimeout(patience);
    await service.destroy().catch(() => undefined);
  }

  /** Ends a stream on which nothing arrives any more, as `wal_receiver_timeout` does for a standby. */
  #expectWords(service: LogicalReplicationService): NodeJS.Timeout | undefined {
    const { patienceMs } = this.#options;
    if (patienceMs === undefined) return undefined;
    const timer = setTimeout(() => void service.destroy().catch(() => undefined), patienceMs);
    const putOff = (): void => void timer.refresh();
    service.on('start', putOff).on('data', putOff).on('heartbeat', putOff);
    return timer;
  }

  #store(values: Readonly<Record<string, unknown>>): void {
    const row = Number(values['id']);
    this.#received += 1;
    if (!this.#times.has(row)) this.#times.set(row, performance.now());
    this.#options.onRow?.(row, values);
  }
}
