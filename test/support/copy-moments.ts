import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';

/** A moment of a file copy, as it shows in the data directory of the standby. */
export interface CopyMoment {
  readonly name: string;
  readonly hasCome: (server: PostgresServer, slot: string) => boolean | Promise<boolean>;
}

const isUp = async (server: PostgresServer): Promise<boolean> => (await server.postmasterPid()) !== undefined;
const isInPlace = ({ dataDir }: PostgresServer, slot: string): boolean =>
  existsSync(join(dataDir, 'pg_replslot', slot));

export const copyMoments = {
  staged: {
    name: 'while the files are written beside their places',
    hasCome: ({ dataDir }) => existsSync(join(dataDir, 'slotkeeper.copy')),
  },
  stopping: {
    name: 'when the server is about to be stopped',
    hasCome: ({ dataDir }) => existsSync(join(dataDir, 'slotkeeper.copy', 'intent.json')),
  },
  down: { name: 'when the server is down', hasCome: async (server) => !(await isUp(server)) },
  placed: { name: 'when the slot is in its place', hasCome: isInPlace },
  starting: {
    name: 'when the server starts again',
    hasCome: async (server, slot) => isInPlace(server, slot) && (await isUp(server)),
  },
} satisfies Record<string, CopyMoment>;

/** Resolves at the moment, or at most a few milliseconds after it. */
export async function untilMoment(moment: CopyMoment, server: PostgresServer, slot: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await moment.hasCome(server, slot))) {
    if (performance.now() > deadline) throw new Error(`${moment.name}: did not come on ${server.name} in 30 s`);
    await delay(1);
  }
}

export interface Downtime {
  readonly server: string;
  readonly from: string;
  /** As the server's log has it; null = it is still down. */
  readonly to: string | null;
}

/** When a standby was stopped in order and took connections again, by its own log. */
export async function downtimesOf(server: PostgresServer): Promise<readonly Downtime[]> {
  const log = await readFile(server.logFile, 'utf8');
  const downtimes: Downtime[] = [];
  let from: string | null = null;
  for (const line of log.split('\n')) {
    const at = line.slice(0, '2026-01-02 03:04:05.678'.length);
    if (line.includes('received fast shutdown request')) from ??= at;
    if (from !== null && /ready to accept read[- ]only connections/.test(line)) {
      downtimes.push({ server: server.name, from, to: at });
      from = null;
    }
  }
  return from === null ? downtimes : [...downtimes, { server: server.name, from, to: null }];
}

/** Pairs of different servers that were down at the same time. */
export function overlaps(downtimes: readonly Downtime[]): readonly (readonly [Downtime, Downtime])[] {
  return downtimes.flatMap((one, index) =>
    downtimes
      .slice(index + 1)
      .filter((other) => other.server !== one.server && isBefore(one.from, other.to) && isBefore(other.from, one.to))
      .map((other) => [one, other] as const),
  );
}

function isBefore(at: string, end: string | null): boolean {
  return end === null || at < end;
}
