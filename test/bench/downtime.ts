import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';

const everyMs = 10;

/** When a server answered no connection, in monotonic milliseconds: from the last answer before to the first one after. */
export interface Outage {
  readonly server: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Connects to each of the servers every ten milliseconds, as clients do, until it is stopped. */
export function watchOutages(servers: readonly PostgresServer[]): { stop(): Promise<readonly Outage[]> } {
  const outages: Outage[] = [];
  const ended = new AbortController();
  const watch = async (server: PostgresServer): Promise<void> => {
    let answeredAtMs = performance.now();
    let isDown = false;
    while (!ended.signal.aborted || isDown) {
      const isAnswered = await server.query('select 1').then(
        () => true,
        () => false,
      );
      const nowMs = performance.now();
      if (isAnswered) {
        if (isDown) outages.push({ server: server.name, fromMs: answeredAtMs, toMs: nowMs });
        answeredAtMs = nowMs;
      }
      isDown = !isAnswered;
      await delay(everyMs);
    }
  };
  const done = Promise.all(servers.map(watch));
  return {
    stop: async () => {
      ended.abort();
      await done;
      return outages;
    },
  };
}

/** How often two different servers were down at the same moment. */
export function outagesAtOnce(outages: readonly Outage[]): number {
  return outages.flatMap((one, index) =>
    outages
      .slice(index + 1)
      .filter((other) => other.server !== one.server && one.fromMs < other.toMs && other.fromMs < one.toMs),
  ).length;
}
