import pg from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../../src/sandbox/postgres-server.ts';

/** How long between the answer to one write and the next. */
const everyMs = 5;

/**
 * When a write counts as accepted. `local`: as soon as the server has committed it, which a server that is fenced cannot do.
 * `acknowledged`: when its client is told so, which in synchronous mode takes a standby that still follows.
 */
export type Acceptance = 'local' | 'acknowledged';

/** One life of a server, from its start to its end, in which it accepted writes. Moments in monotonic milliseconds. */
export interface WritableRun {
  readonly server: string;
  /** When its postmaster was started: a primary that becomes a standby is another run. */
  readonly startedAt: string;
  /** The first answer: it was writable at this moment at the latest. */
  readonly firstAnsweredAtMs: number;
  /** The last request that was granted: it was still writable at this moment. */
  readonly lastRequestedAtMs: number;
  readonly writes: number;
}

export interface Witness {
  /** Every run so far, in the order in which they began. */
  runs(): readonly WritableRun[];
  /** Pairs of runs of different servers that were writable at the same moment. */
  overlaps(): readonly (readonly [WritableRun, WritableRun])[];
  stop(): void;
}

/**
 * Asks every server itself, again and again, to accept a write: a numbered message of its own in the WAL, committed. Agents,
 * their REST interfaces and Consul have no part in it. A connection is kept for as long as it lives, since a server whose
 * postmaster hangs goes on serving those that it has.
 */
export function watchWrites(servers: readonly PostgresServer[], acceptance: Acceptance = 'local'): Witness {
  const found = new Map<string, WritableRun>();
  const ended = new AbortController();
  void Promise.all(servers.map((server) => watch(server, acceptance, found, ended.signal)));
  const runs = (): readonly WritableRun[] => [...found.values()];
  return { runs, overlaps: () => overlapping(runs()), stop: () => ended.abort() };
}

async function watch(
  server: PostgresServer,
  acceptance: Acceptance,
  found: Map<string, WritableRun>,
  ended: AbortSignal,
): Promise<void> {
  while (!ended.aborted) {
    const client = new pg.Client({
      connectionString: server.connUrl(),
      connectionTimeoutMillis: 1_000,
      application_name: 'witness',
      options: `-c synchronous_commit=${acceptance === 'local' ? 'local' : 'on'}`,
    });
    client.on('error', () => undefined);
    const hangUp = (): void => {
      client.end().catch(() => undefined);
    };
    ended.addEventListener('abort', hangUp);
    try {
      await client.connect();
      await writeOn(client, server.name, found, ended);
    } catch {
      // It does not run, or has just been stopped.
    } finally {
      ended.removeEventListener('abort', hangUp);
      hangUp();
    }
    await delay(everyMs);
  }
}

async function writeOn(
  client: pg.Client,
  server: string,
  found: Map<string, WritableRun>,
  ended: AbortSignal,
): Promise<void> {
  for (let number = 1; !ended.aborted; number += 1) {
    const requestedAtMs = performance.now();
    // No timeout: a write that a frozen server grants when it goes on counts by the moments of question and answer.
    const startedAt = await write(client, number);
    if (startedAt !== null) note(found, server, startedAt, requestedAtMs, performance.now());
    await delay(everyMs);
  }
}

/** Resolves to when the server that accepted the write was started, or to null when it is a standby. */
async function write(client: pg.Client, number: number): Promise<string | null> {
  const { rows } = await client.query<{ written: string | null; started: string }>(
    `select case when pg_is_in_recovery() then null else pg_logical_emit_message(true, 'witness', $1::text)::text end as written,
            pg_postmaster_start_time()::text as started`,
    [String(number)],
  );
  const [row] = rows;
  return row?.written == null ? null : row.started;
}

function note(
  found: Map<string, WritableRun>,
  server: string,
  startedAt: string,
  requestedAtMs: number,
  answeredAtMs: number,
): void {
  const key = `${server} ${startedAt}`;
  const before = found.get(key);
  found.set(key, {
    server,
    startedAt,
    firstAnsweredAtMs: before?.firstAnsweredAtMs ?? answeredAtMs,
    lastRequestedAtMs: Math.max(before?.lastRequestedAtMs ?? -Infinity, requestedAtMs),
    writes: (before?.writes ?? 0) + 1,
  });
}

/**
 * A run was writable at some moment before its first answer, at some moment after its last request, and at all moments in
 * between. Two runs were so at once, whatever the moments were exactly, unless one may have ended before the other began.
 */
export function overlapping(runs: readonly WritableRun[]): readonly (readonly [WritableRun, WritableRun])[] {
  const mayBeBefore = (one: WritableRun, other: WritableRun): boolean =>
    one.lastRequestedAtMs < other.firstAnsweredAtMs;
  return runs.flatMap((one, index) =>
    runs
      .slice(index + 1)
      .filter((other) => other.server !== one.server && !mayBeBefore(one, other) && !mayBeBefore(other, one))
      .map((other) => [one, other] as const),
  );
}

/** For messages: who wrote when, in seconds since `fromMs`. */
export function describeRun(run: WritableRun, fromMs: number): string {
  const seconds = (atMs: number): string => ((atMs - fromMs) / 1_000).toFixed(3);
  const { server, firstAnsweredAtMs, lastRequestedAtMs, writes } = run;
  return `${server} accepted ${writes} writes from ${seconds(firstAnsweredAtMs)} to ${seconds(lastRequestedAtMs)} s`;
}
