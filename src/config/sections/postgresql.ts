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
  wrong,
  type Field,
} from '../field.ts';
import { commandsSection } from './commands.ts';
import { credentials } from './credentials.ts';

/** The PostgreSQL server beside the agent; the section `postgresql`. */
export interface PostgresConfig {
  /** How the agent itself reaches the server. */
  readonly address: Address;
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

const declaration = object(
  {
    listen: optional(listen, { hosts: ['localhost'], port: defaultPort }),
    connect_address: optional(address, null),
    data_dir: text('an absolute path', (raw) => raw.startsWith('/')),
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
    pgpass: optional(text('a file name'), null),
    passfile: optional(text('a file name'), null),
    pg_ctl_timeout: optional(integer(1, 86_400), 60),
    commands: commandsSection,
    // Whoever promotes also sets these.
    parameters: anything,
  },
  'tell',
);

/** The section `postgresql`. Roles without a name are `postgres`. */
export const postgresSection: Field<PostgresConfig> = (value, place) => {
  const read = declaration(value, place);
  if (read === wrong) return wrong;
  const connectHost = read.connect_address?.host ?? read.listen.hosts.find((host) => !isWildcard(host));
  if (connectHost === undefined) {
    const why = 'host:port, how others reach this server: postgresql.listen names no host';
    return refuse(child(place, 'connect_address'), 'missing', null, why);
  }
  const { superuser, replication } = read.authentication;
  const passfile = read.passfile ?? read.pgpass;
  const connectAddress = read.connect_address ?? { host: connectHost, port: read.listen.port };
  return {
    address: { host: localHost(value, read), port: read.listen.port, database: read.database },
    connectAddress,
    connUrl: `postgres://${formatAddress(connectAddress)}/${encodeURIComponent(read.database)}`,
    dataDir: read.data_dir,
    control: read.commands ?? { kind: 'pg_ctl', binDir: read.bin_dir === '' ? null : read.bin_dir, logFile: null },
    pgCtlTimeoutSeconds: read.pg_ctl_timeout,
    credentials: { ...(superuser ?? nobody), passfile },
    replicationCredentials: replication === null ? null : { ...replication, passfile },
  };
};

const nobody: Omit<Credentials, 'passfile'> = {
  user: 'postgres',
  password: null,
  ssl: { mode: 'prefer', rootCert: null, cert: null, key: null },
};

/** Where the agent connects: the socket if it shall, else this host by name where the server listens everywhere. */
function localHost(section: unknown, read: { use_unix_socket: boolean; listen: ListenAddress }): string {
  const { hosts } = read.listen;
  if (!read.use_unix_socket) {
    if (hosts.some(isWildcard)) return 'localhost';
    return hosts.find((host) => ['localhost', '127.0.0.1', '::1'].includes(host)) ?? hosts[0] ?? 'localhost';
  }
  const parameters = isMap(section) ? ownValue(section, 'parameters') : null;
  const folders = isMap(parameters) ? ownValue(parameters, 'unix_socket_directories') : null;
  const first = typeof folders === 'string' ? (folders.split(',')[0] ?? '').trim() : '';
  return first.startsWith('/') ? first : defaultSocketFolder;
}
