import { findPostgres } from '../../src/sandbox/locate.ts';
import { startPrimary, startStandby, type PostgresServer } from '../../src/sandbox/postgres-server.ts';
import type { Sandbox } from '../../src/sandbox/processes.ts';
import { eventually } from '../support/eventually.ts';
import { measureLatency, type Latency } from './latency.ts';
import { measureSlotsUnderLoad } from './slots-under-load.ts';
import { describeSeries, type Series } from './statistics.ts';

export interface NativeSeries extends Latency {
  readonly slotUnderLoadMs: Series;
}

/**
 * PostgreSQL's own slot synchronisation (17 and later) on a primary and two standbys of its own, with no agent beside them,
 * set up as its documentation asks for.
 */
export async function measureNative(
  sandbox: Sandbox,
  major: number,
  settings: Readonly<Record<string, string>>,
): Promise<NativeSeries> {
  const postgres = await findPostgres(major, sandbox.progress);
  const primary = await startPrimary(sandbox, { name: 'own1', postgres, settings });
  const standbys: PostgresServer[] = [];
  for (const name of ['own2', 'own3']) {
    const standby = await startStandby(sandbox, { name, postgres, upstream: primary, settings });
    await standby.alterSystem({
      hot_standby_feedback: true,
      primary_conninfo: `${primary.conninfo(name)} dbname=postgres`,
      sync_replication_slots: true,
    });
    standbys.push(standby);
  }
  await primary.query('CREATE TABLE orders (id bigint PRIMARY KEY)');
  await primary.query('CREATE PUBLICATION bench FOR TABLE orders');
  const make = (slot: string): Promise<unknown> =>
    primary.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)`, [slot]);
  const isReady = async (slot: string): Promise<boolean> => {
    const ready = await Promise.all(standbys.map((standby) => isSynced(standby, slot)));
    return ready.every(Boolean);
  };
  const slotUnderLoadMs = describeSeries(await measureSlotsUnderLoad({ primary, make, isReady }));
  await make('steady');
  // One that is not moved stays temporary (FACTS 3).
  await eventually(
    async () => {
      await primary.query('SELECT pg_log_standby_snapshot()');
      await primary.query(`SELECT pg_replication_slot_advance('steady', pg_current_wal_lsn())`);
      return isReady('steady');
    },
    { what: 'PostgreSQL to synchronise a slot', timeoutMs: 120_000, intervalMs: 500 },
  );
  return { slotUnderLoadMs, ...(await measureLatency('steady', primary, standbys)) };
}

async function isSynced(standby: PostgresServer, slot: string): Promise<boolean> {
  const [row] = await standby.query<{ ready: boolean }>(
    `SELECT synced AND NOT temporary AND invalidation_reason IS NULL AS ready
       FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  return row?.ready === true;
}
