import type { ClusterPostgresConfig, LeadConfig, StandbyClusterConfig } from '../domain/config.ts';
import { defaultConfig } from '../domain/default-config.ts';
import { slotNamePattern } from '../domain/slot.ts';
import {
  anything,
  bool,
  child,
  choice,
  integer,
  isAbsent,
  isMap,
  list,
  object,
  optional,
  ownValue,
  parsed,
  refuse,
  secret,
  text,
  wrong,
  type Field,
} from './field.ts';
import { clusterParameters, configLines, recoveryParameters } from './server-parameters.ts';

const defaults = defaultConfig.lead;
const bytes = (least: number): Field<number> => integer(least, Number.MAX_SAFE_INTEGER);
const mostSeconds = 10 * 365 * 24 * 60 * 60;
const seconds = integer(0, mostSeconds);

/** Seconds, or a time in PostgreSQL's units. */
const duration: Field<number> = parsed('seconds, or a time with a unit: ms, s, min, h, d', (raw) => {
  const [, number = '', unit = 's'] = /^\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(ms|s|min|h|d)?\s*$/.exec(raw) ?? [];
  const factors: Readonly<Record<string, number>> = { ms: 0.001, s: 1, min: 60, h: 3_600, d: 86_400 };
  const read = Math.round(Number(number) * (factors[unit] ?? NaN));
  return number !== '' && read <= mostSeconds ? read : undefined;
});

const synchronousMode: Field<boolean> = (value, place) =>
  typeof value === 'string' && value.toLowerCase() === 'quorum'
    ? refuse(place, 'unsupported', value, 'slotkeeper does not have quorum commit; allowed: on, off')
    : bool(value, place);

/** YAML's `off` may have become a truth value on its way here. */
const promotionGuard: Field<LeadConfig['promotionGuard']> = (value, place) =>
  value === false ? 'off' : choice('prefer', 'require', 'off')(value, place);

/** Patroni's own default for the section has empty texts for what is not given. */
const unlessEmpty =
  <T>(field: Field<T>): Field<T | null> =>
  (value, place) =>
    isAbsent(value) || value === '' ? null : field(value, place);

/** What its leader's recovery is told, each the name of a setting of PostgreSQL. */
const recoveryNames = ['restore_command', 'archive_cleanup_command', 'recovery_min_apply_delay'] as const;

const standbyFields = object(
  {
    host: unlessEmpty(text('the host of the primary that is followed')),
    port: unlessEmpty(integer(1, 65_535)),
    primary_slot_name: unlessEmpty(text('the name of a physical slot', (it) => slotNamePattern.test(it))),
    create_replica_methods: unlessEmpty(list(text('the name of a replica method'), 'a list of replica methods')),
    ...Object.fromEntries(recoveryNames.map((name) => [name, anything])),
  },
  'tell',
);

/** Null = this is no standby cluster: by Patroni's rule it takes one of `host`, `port` and `restore_command`. */
const standbyCluster: Field<StandbyClusterConfig | null> = (value, place) => {
  if (isAbsent(value)) return null;
  const read = standbyFields(value, place);
  const given = recoveryNames.map((name) => [name, isMap(value) ? ownValue(value, name) : null] as const);
  const recovery = recoveryParameters(Object.fromEntries(given.filter(([, it]) => it !== '')), place);
  if (read === wrong || recovery === wrong) return wrong;
  if (read.host === null && read.port === null && recovery['restore_command'] === undefined) return null;
  return {
    host: read.host,
    port: read.port,
    primarySlotName: read.primary_slot_name,
    recovery,
    createReplicaMethods: read.create_replica_methods ?? [],
  };
};

/** Patroni takes these from the cluster's configuration too; here each agent's file says them. */
const inEachFile = [
  ...['pg_ctl_timeout', 'callbacks', 'create_replica_methods', 'create_replica_method', 'basebackup', 'pgpass'],
  ...['pre_promote', 'before_stop', 'custom_conf', 'config_dir', 'data_dir', 'bin_dir', 'bin_name', 'listen'],
  ...['connect_address', 'proxy_address', 'authentication', 'use_unix_socket', 'use_unix_socket_repl', 'krbsrvname'],
] as const;

const clusterPostgresFields = object(
  {
    parameters: clusterParameters,
    pg_hba: configLines,
    pg_ident: configLines,
    recovery_conf: recoveryParameters,
    use_slots: optional(bool, defaults.postgresql.useSlots),
    use_pg_rewind: optional(bool, defaults.postgresql.usePgRewind),
    remove_data_directory_on_rewind_failure: optional(bool, defaults.postgresql.removeDataOnRewindFailure),
    remove_data_directory_on_diverged_timelines: optional(bool, defaults.postgresql.removeDataOnDivergedTimelines),
    ...Object.fromEntries(inEachFile.map((name) => [name, anything])),
  },
  'tell',
);

const clusterPostgres: Field<ClusterPostgresConfig> = (value, place) => {
  if (isAbsent(value)) return defaults.postgresql;
  const read = clusterPostgresFields(value, place);
  if (read === wrong) return wrong;
  for (const name of inEachFile) {
    if (!isMap(value) || isAbsent(ownValue(value, name))) continue;
    const allowed = `postgresql.${name} in each agent's file`;
    place.report({ kind: 'unused', path: child(place, name).path, found: null, allowed });
  }
  return {
    // From PostgreSQL 12 on they are settings like others.
    parameters: { ...read.recovery_conf, ...read.parameters },
    hba: read.pg_hba,
    ident: read.pg_ident,
    useSlots: read.use_slots,
    usePgRewind: read.use_pg_rewind,
    removeDataOnRewindFailure: read.remove_data_directory_on_rewind_failure,
    removeDataOnDivergedTimelines: read.remove_data_directory_on_diverged_timelines,
  };
};

const time = optional(seconds, null);
const flag = optional(bool, false);

const leadFields = object(
  {
    maximum_lag_on_failover: optional(bytes(0), defaults.maximumLagOnFailoverBytes),
    primary_start_timeout: time,
    master_start_timeout: time,
    primary_stop_timeout: time,
    master_stop_timeout: time,
    failsafe_mode: flag,
    check_timeline: flag,
    synchronous_mode: optional(synchronousMode, false),
    synchronous_mode_strict: flag,
    synchronous_node_count: optional(integer(1, 1_000), defaults.synchronousNodeCount),
    maximum_lag_on_syncnode: optional(bytes(-1), defaults.maximumLagOnSyncnodeBytes),
    member_slots_ttl: optional(duration, defaults.memberSlotsTtl),
    promotion_guard: optional(promotionGuard, defaults.promotionGuard),
    // They may hold secrets (archive commands, options in pg_hba): no value of theirs is ever shown.
    postgresql: secret(clusterPostgres),
    standby_cluster: secret(standbyCluster),
  },
  'leave',
);

/** What of the cluster's configuration counts only where slotkeeper leads. */
export const leadSettings: Field<LeadConfig> = (document, place) => {
  const read = leadFields(document, place);
  if (read === wrong) return wrong;
  return {
    maximumLagOnFailoverBytes: read.maximum_lag_on_failover,
    primaryStartTimeout: read.primary_start_timeout ?? read.master_start_timeout ?? defaults.primaryStartTimeout,
    primaryStopTimeout: read.primary_stop_timeout ?? read.master_stop_timeout ?? defaults.primaryStopTimeout,
    failsafeMode: read.failsafe_mode,
    checkTimeline: read.check_timeline,
    // A standby cluster acknowledges nothing.
    synchronousMode: read.synchronous_mode && read.standby_cluster === null,
    synchronousModeStrict: read.synchronous_mode_strict,
    synchronousNodeCount: read.synchronous_node_count,
    maximumLagOnSyncnodeBytes: read.maximum_lag_on_syncnode,
    memberSlotsTtl: read.member_slots_ttl,
    promotionGuard: read.promotion_guard,
    postgresql: read.postgresql,
    standbyCluster: read.standby_cluster,
  };
};
