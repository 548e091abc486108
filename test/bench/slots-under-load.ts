import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { overlappingTransactions } from '../support/transactions.ts';
import { consume } from './latency.ts';

const samples = 5;
const writers = 4;
/** What takes longer counts as this long. */
const patienceMs = 120_000;

export interface SlotsUnderLoad {
  readonly primary: PostgresServer;
  /** Makes a logical slot with the plugin pgoutput; resolves as soon as it can be used on the primary. */
  readonly make: (slot: string) => Promise<unknown>;
  /** Whether it could be used on every standby now. */
  readonly isReady: (slot: string) => Promise<boolean>;
}

/**
 * From a slot that can be used on the primary until it is ready on every standby, in milliseconds, one after the other,
 * while writers keep overlapping transactions open and the slot's consumer reads twice a second. Needs the table `orders`
 * and its publication `bench`.
 */
export async function measureSlotsUnderLoad({ primary, make, isReady }: SlotsUnderLoad): Promise<readonly number[]> {
  const findPrimary = (): Promise<string> => Promise.resolve(primary.connUrl());
  const load = overlappingTransactions({ findPrimary, table: 'orders', writers });
  load.start();
  try {
    await load.untilMore(200);
    const tookMs: number[] = [];
    for (let sample = 1; sample <= samples; sample += 1) {
      const slot = `under_load_${sample}`;
      await make(slot);
      const madeAtMs = performance.now();
      const consumer = consumeTwiceASecond(slot, primary);
      while (!(await isReady(slot)) && performance.now() - madeAtMs < patienceMs) await delay(5);
      tookMs.push(performance.now() - madeAtMs);
      await consumer.stop();
      await primary.query('SELECT pg_drop_replication_slot($1)', [slot]);
      await load.untilMore(200);
    }
    return tookMs;
  } finally {
    await load.stop();
  }
}

function consumeTwiceASecond(slot: string, primary: PostgresServer): { stop(): Promise<void> } {
  const ended = new AbortController();
  const run = async (): Promise<void> => {
    const client = new pg.Client(primary.connUrl());
    await client.connect();
    while (!ended.signal.aborted) {
      await consume(slot, client);
      await delay(500);
    }
    await client.end();
  };
  const done = run();
  return {
    stop: async () => {
      ended.abort();
      await done;
    },
  };
}
