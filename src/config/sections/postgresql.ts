import type { Address, ControlSettings, Credentials } from '../../postgres/settings.ts';
import { formatAddress, isWildcard, parseAddress, parseListen, type HostPort, type ListenAddress } from '../address.ts';
import {
  anything,
  bool,
  child,
  integer,
  isMap,
  object,
  optional,
  ownValue,
  parsed,
  refuse,
  text,
  unsupported,
  unused,
  wrong,
  type Field,
  type Place,
} from '../field.ts';
import { filePath } from '../names.ts';
import { commandsSection } from './commands.ts';
import { credentials } from './credentials.ts';

/** The PostgreSQL server beside the agent; the section `postgresql`. */
export interface PostgresConfig {
  /** How the agent itself reaches the server. */
  readonly address: Address;
  /** Where the server listens. */
  readonly listen: ListenAddress;
  /** How the other members reach it. */
  readonly connectAddress: HostPort;
  /** Goes into the member key, as Patroni writes it. */
  readonly connUrl: string;
  readonly dataDir: string;
  readonly control: ControlSettings;
  /** How long the server may take to stop or to start. */
  readonly pgCtlTimeoutSeconds: number;
  /** The agent's own role: `authentication.superuser`. */
  readonly credentials: Credentials;
  /** The role that standbys stream with: `authentication.replication`; null = the agent's own. */
  readonly replicationCredentials: Credentials | null;
}

const defaultPort = 5432;
const defaultSocketFolder = '/var/run/postgresql';
const address: Field<HostPort> = parsed('host:port', (raw) => parseAddress(raw, defaultPort));
const listen: Field<ListenAddress> = parsed('host[,host…]:port', (raw) => parseListen(raw, defaultPort));

/** What only counts where slotkeeper manages the server: `managed-postgresql.ts` reads it. */
const managedNames = [
  ...['pg_hba', 'pg_ident', 'use_slots', 'use_pg_rewind', 'remove_data_directory_on_rewind_failure'],
  ...['remove_data_directory_on_diverged_timelines', 'config_dir', 'bin_name', 'user', 'custom_conf', 'recovery_conf'],
  ...[
    'config_base_name',
    'create_replica_methods',
    'create_replica_method',
    'basebackup',
    'pre_promote',
    'before_stop',
    'callbacks',
  ],
];

const shape = {
  listen: optional(listen, { hosts: ['localhost'], port: defaultPort }),
  connect_address: optional(address, null),
  data_dir: filePath,
  bin_dir: optional(
    text('an absolute path, or empty: on the PATH', (raw) => raw === '' || raw.startsWith('/')),
    '',
  ),
  database: optional(text('the name of a database'), 'postgres'),
  authentication: optional(
    object(
      { superuser: optional(credentials, null), replication: optional(credentials, null), rewind: anything },
      'tell',
    ),
    { superuser: null, replication: null },
  ),
  use_unix_socket: optional(bool, false),
  use_unix_socket_repl: unused,
  proxy_address: unused,
  pgpass: optional(text('a file name'), null),
  passfile: optional(text('a file name'), null),
  pg_ctl_timeout: optional(integer(1, 86_400), 60),
  commands: commandsSection,
  // Whoever promotes also sets these.
  parameters: anything,
};

const observed = object(
  { ...shape, krbsrvname: unused, ...Object.fromEntries(managedNames.map((name) => [name, unused])) },
  'tell',
);
const managed = object(
  {
    ...shape,
    krbsrvname: unsupported('slotkeeper does not know Kerberos'),
    pgpass: anything,
    commands: unsupported('with ha: manage slotkeeper starts and stops the server itself'),
    ...Object.fromEntries(managedNames.map((name) => [name, anything])),
  },
  'tell',
);

/** The section `postgresql` where something else promotes. Roles without a name are `postgres`. */
export const postgresSection: Field<PostgresConfig> = (value, place) => {
  const read = observed(value, place);
  return read === wrong ? wrong : postgresConfig(value, { ...read, passfile: read.passfile ?? read.pgpass }, place);
};

/** The same where slotkeeper manages the server. `methods`: the sections in it that belong to replica methods. */
export function managedPostgresSection(methods: readonly string[]): Field<PostgresConfig> {
  return (value, place) => {
    const own = isMap(value)
      ? Object.fromEntries(Object.entries(value).filter(([key]) => !methods.includes(key)))
      : value;
    const read = managed(own, place);
    return read === wrong ? wrong : postgresConfig(value, read, place);
  };
}

interface ReadSection {
  readonly listen: ListenAddress;
  readonly connect_address: HostPort | null;
  readonly data_dir: string;
  readonly bin_dir: string;
  readonly database: string;
  readonly authentication: Readonly<Record<'superuser' | 'replication', Omit<Credentials, 'passfile'> | null>>;
  readonly use_unix_socket: boolean;
  readonly passfile: string | null;
  readonly pg_ctl_timeout: number;
  readonly commands: ControlSettings | null;
}

function postgresConfig(section: unknown, read: ReadSection, place: Place): PostgresConfig | typeof wrong {
  const connectHost = read.connect_address?.host ?? read.listen.hosts.find((host) => !isWildcard(host));
  if (connectHost === undefined) {
    const why = 'host:port, how others reach this server: postgresql.listen names no host';
    return refuse(child(place, 'connect_address'), 'missing', null, why);
  }
  const { superuser, replication } = read.authentication;
  const { passfile } = read;
  const connectAddress = read.connect_address ?? { host: connectHost, port: read.listen.port };
  return {
    address: { host: localHost(section, read), port: read.listen.port, database: read.database },
    listen: read.listen,
    connectAddress,
    connUrl: `postgres://${formatAddress(connectAddress)}/${encodeURIComponent(read.database)}`,
    dataDir: read.data_dir,
    control: read.commands ?? { kind: 'pg_ctl', binDir: read.bin_dir === '' ? null : read.bin_dir, logFile: null },
    pgCtlTimeoutSeconds: read.pg_ctl_timeout,
    credentials: { ...(superuser ?? nobody), passfile },
    replicationCredentials: replication === null ? null : { ...replication, passfile },
  };
}

const nobody: Omit<Credentials, 'passfile'> = {
  user: 'postgres',
  password: null,
  ssl: { mode: 'prefer', rootCert: null, cert: null, key: null },
};

/**
 * Where the agent connects: the socket if it shall and if its folder is known, else this host by name where the server
 * listens everywhere.
 */
function localHost(section: unknown, read: Pick<ReadSection, 'use_unix_socket' | 'listen'>): string {
  const socket = read.use_unix_socket ? socketFolder(section) : null;
  if (socket !== null) return socket;
  const { hosts } = read.listen;
  if (hosts.some(isWildcard)) return 'localhost';
  return hosts.find((host) => ['localhost', '127.0.0.1', '::1'].includes(host)) ?? hosts[0] ?? 'localhost';
}

/** Null = the server's sockets are in no folder that has the same name everywhere. */
function socketFolder(section: unknown): string | null {
  const parameters = isMap(section) ? ownValue(section, 'parameters') : null;
  const folders = isMap(parameters) ? ownValue(parameters, 'unix_socket_directories') : null;
  if (typeof folders !== 'string') return defaultSocketFolder;
  const all = folders.split(',').map((folder) => folder.trim());
  return all.find((folder) => folder.startsWith('/')) ?? null;
}
