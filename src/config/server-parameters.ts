import {
  child,
  isMap,
  isAbsent,
  list,
  readInteger,
  refuse,
  refuseSection,
  text,
  wrong,
  type Field,
  type Place,
} from './field.ts';

/** Settings of PostgreSQL: name in lower case → value as it stands in `postgresql.conf`, without quotes. */
export type ServerParameters = Readonly<Record<string, string>>;

/** Settings that slotkeeper writes itself, and where what they say comes from. */
const ownParameters: Readonly<Record<string, string>> = {
  listen_addresses: "postgresql.listen in each agent's file",
  port: "postgresql.listen in each agent's file",
  cluster_name: "scope in each agent's file",
  data_directory: "postgresql.data_dir in each agent's file",
  hot_standby: 'nothing, it is always on',
  primary_conninfo: 'nothing, slotkeeper says whom a standby follows',
  primary_slot_name: 'nothing, slotkeeper says whom a standby follows',
  promote_trigger_file: 'nothing, slotkeeper promotes',
};

/** Settings that must agree on all members: they come from the cluster's configuration only. Value: the least one. */
const clusterWide: Readonly<Record<string, number | null>> = {
  max_connections: 25,
  max_wal_senders: 3,
  max_prepared_transactions: 0,
  max_locks_per_transaction: 32,
  max_replication_slots: 4,
  max_worker_processes: 2,
  wal_keep_segments: 1,
  wal_keep_size: null,
  wal_level: null,
  wal_log_hints: null,
  track_commit_timestamp: null,
};

/** `postgresql.parameters` of an agent's file. */
export const localParameters: Field<ServerParameters> = parameters((name) =>
  Object.hasOwn(clusterWide, name)
    ? `postgresql.parameters.${name} in the cluster configuration, since all members must agree`
    : null,
);

/** `postgresql.parameters` of the cluster's configuration. */
export const clusterParameters: Field<ServerParameters> = (value, place) => {
  const read = parameters(() => null)(value, place);
  if (read === wrong) return wrong;
  const checked = Object.entries(read).map(([name, found]) => [name, checkedValue(name, found, child(place, name))]);
  return checked.some(([, used]) => used === wrong) ? wrong : (Object.fromEntries(checked) as ServerParameters);
};

/** `recovery_conf`: settings that only standbys have; who follows whom is not among them. */
export const recoveryParameters: Field<ServerParameters> = parameters((name) => {
  const isTarget = name.startsWith('recovery_target') && name !== 'recovery_target_timeline';
  return isTarget || name === 'standby_mode' ? 'nothing, a standby replays all that there is' : null;
});

/** `recovery_conf` of a bootstrap method: it may stop somewhere. */
export const bootstrapRecovery: Field<ServerParameters> = parameters(() => null);

/** Lines of `pg_hba.conf` or `pg_ident.conf`; none at all = the file is somebody else's. */
export const configLines: Field<readonly string[] | null> = (value, place) => {
  if (isAbsent(value)) return null;
  const line = text('one line', (it) => !/[\0\r]|\n(?!$)/.test(it));
  const lines = list(line, 'a list of lines')(value, place);
  return lines === wrong ? wrong : lines.length === 0 ? null : lines.map((it) => it.trimEnd());
};

/** `elsewhere` says of a setting where it belongs instead; null = here. */
function parameters(elsewhere: (name: string) => string | null): Field<ServerParameters> {
  const allowed = 'an object: setting of PostgreSQL → value';
  return (value, place) => {
    if (isAbsent(value)) return {};
    if (!isMap(value)) return refuseSection(place, value, allowed);
    const read: [string, string][] = [];
    let flawed = false;
    for (const [given, raw] of Object.entries(value)) {
      const at = child(place, given);
      const name = given.toLowerCase();
      if (isAbsent(raw)) continue;
      const belongs = (Object.hasOwn(ownParameters, name) ? ownParameters[name] : null) ?? elsewhere(name);
      if (belongs !== null) {
        place.report({ kind: 'unused', path: at.path, found: null, allowed: belongs });
        continue;
      }
      const used = parameterValue(name, raw, at);
      if (used === wrong) flawed = true;
      else read.push([name, used]);
    }
    return flawed ? wrong : Object.fromEntries(read);
  };
}

function parameterValue(name: string, value: unknown, place: Place): string | typeof wrong {
  // Names and values go into a file: neither may end its line there.
  if (!/^[a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)*$/.test(name)) {
    return refuse(place, 'value', name, 'the name of a setting of PostgreSQL');
  }
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value !== 'string') return refuse(place, 'type', value, 'a text, a number, true or false');
  return /[\0\r\n]/.test(value) ? refuse(place, 'value', value, 'a text of one line') : value;
}

/** What Patroni does not take is raised to the least that it does; what cannot be meant is refused. */
function checkedValue(name: string, value: string, place: Place): string | typeof wrong {
  if (name === 'wal_level') {
    const isKnown = ['replica', 'hot_standby', 'logical'].includes(value.toLowerCase());
    return isKnown ? value.toLowerCase() : refuse(place, 'value', value, 'one of replica, logical');
  }
  const least = Object.hasOwn(clusterWide, name) ? (clusterWide[name] ?? null) : null;
  if (least === null) return value;
  const given = readInteger(value);
  if (given === undefined) return refuse(place, 'type', value, `a whole number, ${least} or more`);
  if (given >= least) return String(given);
  const found = place.secret ? '***' : String(given);
  place.report({ kind: 'adjusted', path: place.path, found, allowed: String(least), note: `at least ${least}` });
  return String(least);
}
