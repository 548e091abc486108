import { setTimeout as delay } from 'node:timers/promises';
import type { LogicalSlot, Slot } from '../../../src/domain/slot.ts';
import { createLocalServer } from '../../../src/postgres/local-server.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type Credentials, type LocalServerSettings, defaultTimeouts } from '../../../src/postgres/settings.ts';
import { findPostgres } from '../../../src/sandbox/locate.ts';
import type { PostgresServer } from '../../../src/sandbox/postgres-server.ts';
import type { PostgresBinaries } from '../../../src/sandbox/binaries.ts';
import { clusterMajors, postgresMajors, postgresMajorsSince } from '../../support/majors.ts';
import { systemClock } from '../../support/system-clock.ts';

/** The servers that the tests run on; see `clusterMajors` for how to name others. */
export async function postgresUnderTest(): Promise<readonly PostgresBinaries[]> {
  return Promise.all(clusterMajors().map((major) => findPostgres(major)));
}

/** The same for what differs between versions: one for each way of following a slot, unless others are named. */
export async function eachPostgres(): Promise<readonly PostgresBinaries[]> {
  return Promise.all(postgresMajors().map((major) => findPostgres(major)));
}

/** Those of them from this major on; if there are none in this run, that major itself. */
export async function eachPostgresSince(major: number): Promise<readonly PostgresBinaries[]> {
  return Promise.all(postgresMajorsSince(major).map((each) => findPostgres(each)));
}

export const never = new AbortController().signal;

export const superuser: Credentials = {
  user: 'postgres',
  password: null,
  passfile: null,
  ssl: { mode: 'prefer', rootCert: null, cert: null, key: null },
};

export function settingsFor(server: PostgresServer, changed: Partial<LocalServerSettings> = {}): LocalServerSettings {
  return {
    member: server.name,
    address: { host: server.host, port: server.port, database: 'postgres' },
    credentials: superuser,
    replicationCredentials: null,
    dataDir: server.dataDir,
    control: { kind: 'pg_ctl', binDir: server.binDir, logFile: null },
    timeouts: defaultTimeouts,
    clock: systemClock,
    ...changed,
  };
}

/** The adapter for a server of the sandbox; closed by the caller. */
export function localServer(server: PostgresServer, changed: Partial<LocalServerSettings> = {}): LocalServer {
  return createLocalServer(settingsFor(server, changed));
}

/** Looks until what it sees is as wanted, and gives that look; fails after ten seconds. */
export async function lookUntil<T>(
  server: LocalServer,
  wanted: (look: Awaited<ReturnType<LocalServer['look']>>) => T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const look = await server.look(never);
    const found = wanted(look);
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`not seen in ten seconds; the last look: ${JSON.stringify(look, bigintAsText)}`);
    }
    await delay(20);
  }
}

/** Lets the primary log what runs, again and again, until `making` is done: under load one record is not enough. */
export async function whileLogging(primary: LocalServer, making: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  const made = making.finally(() => done.abort());
  while (!done.signal.aborted) {
    await primary.logStandbySnapshot(never);
    await Promise.race([made, delay(100)]);
  }
  await made;
}

export function logicalSlot(slots: readonly Slot[], name: string): LogicalSlot {
  const slot = slots.find((each) => each.name === name);
  if (slot?.type !== 'logical')
    throw new Error(`no logical slot ${name} in ${slots.map((each) => each.name).join(', ')}`);
  return slot;
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
