import type { ServerPlan } from '../../domain/managed.ts';
import { holdsLeader } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import { clusterPostgresOf } from './cluster-postgres.ts';
import { synchronousNames } from './sync-mode.ts';
import { wantedUpstream } from './upstream.ts';

/** What must be the same on every member, or a standby does not start: from the cluster's configuration only. */
const sharedDefaults: Readonly<Record<string, string>> = {
  max_connections: '100',
  max_locks_per_transaction: '64',
  max_worker_processes: '8',
  max_prepared_transactions: '0',
  max_wal_senders: '10',
  max_replication_slots: '10',
  wal_level: 'logical',
  wal_log_hints: 'on',
  track_commit_timestamp: 'off',
};

/** What a lower value of would keep standbys, slots or their copies from being there. */
const least: Readonly<Record<string, number>> = { max_wal_senders: 3, max_replication_slots: 4 };

/** For standbys without a slot. The setting has changed its name: the adapter gives it the one that the server's version has. */
const walKept: Readonly<Record<string, string>> = { wal_keep_size: '128MB' };

/** Everything that this server's configuration is to say now. */
export function wantedServerPlan(view: View): ServerPlan {
  const postgresql = clusterPostgresOf(view);
  return {
    parameters: wantedParameters(view),
    hba: postgresql.hba,
    ident: postgresql.ident,
    upstream: wantedUpstream(view),
    synchronousStandbyNames: synchronousNames(view),
  };
}

/** Local over dynamic over defaults, but for what members must agree on and what slotkeeper insists on. */
function wantedParameters(view: View): Readonly<Record<string, string>> {
  const { managed, scope } = view.self;
  const dynamic = clusterPostgresOf(view).parameters;
  const isShared = (name: string): boolean => Object.hasOwn(sharedDefaults, name);
  const own = Object.entries(managed?.parameters ?? {}).filter(([name]) => !isShared(name));
  const shared = Object.entries({ ...sharedDefaults, ...dynamic }).filter(([name]) => isShared(name));
  const recovery = holdsLeader(view) ? (standbyClusterOf(view)?.recovery ?? {}) : {};
  return {
    ...(Object.hasOwn(dynamic, 'wal_keep_segments') ? {} : walKept),
    ...dynamic,
    ...Object.fromEntries(own),
    ...Object.fromEntries(shared.map(([name, value]) => [name, sharedValue(name, value)])),
    ...recovery,
    ...(managed === null ? {} : { listen_addresses: managed.listen, port: String(managed.port) }),
    cluster_name: scope,
    hot_standby: 'on',
  };
}

function sharedValue(name: string, value: string): string {
  // Logical slots need it, and pg_rewind the other.
  if (name === 'wal_level') return 'logical';
  const minimum = least[name];
  return minimum !== undefined && Number(value) < minimum ? String(minimum) : value;
}
