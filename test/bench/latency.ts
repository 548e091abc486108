import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { parseLsn, type Lsn } from '../../src/domain/lsn.ts';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { describeSeries, type Series } from './statistics.ts';

const movingSamples = 60;
const quietSamples = 10;
const patienceMs = 60_000;

export interface Latency {
  readonly syncMovingMs: Series;
  readonly syncFromQuietMs: Series;
}

/**
 * From a confirmation on the primary until the slot has the same position on each standby, in milliseconds: while the
 * consumer moves about once a second, and when nothing has moved for some seconds. Needs the table `orders` and its
 * publication `bench`; the slot's plugin is pgoutput.
 */
export async function measureLatency(
  slot: string,
  primary: PostgresServer,
  standbys: readonly PostgresServer[],
): Promise<Latency> {
  const clients = [primary, ...standbys].map((server) => new pg.Client(server.connUrl()));
  for (const client of clients) await client.connect();
  const [first, ...others] = clients;
  if (first === undefined) throw new Error('there is no primary');
  try {
    const moving: number[] = [];
    // The first confirmation after a pause belongs to the other series.
    await confirm(slot, first, others);
    for (let sample = 0; sample < movingSamples; sample += 1) {
      await delay(1_000 + 200 * Math.random());
      moving.push(...(await confirm(slot, first, others)));
    }
    const quiet: number[] = [];
    for (let sample = 0; sample < quietSamples; sample += 1) {
      // Longer than the agent keeps its quick pace after the last movement.
      await delay(6_500 + 1_000 * Math.random());
      quiet.push(...(await confirm(slot, first, others)));
    }
    return { syncMovingMs: describeSeries(moving), syncFromQuietMs: describeSeries(quiet) };
  } finally {
    for (const client of clients) await client.end();
  }
}

/** Confirms one more change; resolves to how long each standby took to have the same position, in milliseconds. */
async function confirm(slot: string, primary: pg.Client, standbys: readonly pg.Client[]): Promise<readonly number[]> {
  // below all rows that writers number from 1 on
  await primary.query('INSERT INTO orders (id) SELECT least(min(id), 0) - 1 FROM orders');
  await consume(slot, primary);
  const confirmedAtMs = performance.now();
  const wanted = await positionOn(primary, slot);
  return Promise.all(
    standbys.map(async (client) => {
      while ((await positionOn(client, slot)) < wanted) {
        if (performance.now() - confirmedAtMs > patienceMs) throw new Error('a standby does not follow');
        await delay(2);
      }
      return performance.now() - confirmedAtMs;
    }),
  );
}

/** Takes and confirms everything that the slot has to give. */
export async function consume(slot: string, client: pg.Client): Promise<void> {
  await client.query(
    `SELECT count(*) FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', 'bench')`,
    [slot],
  );
}

async function positionOn(client: pg.Client, slot: string): Promise<Lsn> {
  const { rows } = await client.query<{ lsn: string }>(
    'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  );
  return parseLsn(rows[0]?.lsn ?? '') ?? 0n;
}
