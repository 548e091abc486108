import { equal } from '../base/equal.ts';
import type { AgentConfig, ManagedConfig } from './agent.ts';
import type { ConsulConfig } from './sections/consul.ts';
import type { PostgresConfig } from './sections/postgresql.ts';
import type { RestConfig } from './sections/restapi.ts';

/** The agent's file, read again: what counts from now on. */
export interface Adopted {
  readonly config: AgentConfig;
  /** The settings that have changed and count only from the agent's next start, under the names of the file. */
  readonly kept: readonly string[];
}

type Part = (config: AgentConfig) => unknown;

const consulParts: Readonly<Record<string, keyof ConsulConfig>> = {
  host: 'host',
  port: 'port',
  scheme: 'scheme',
  token_file: 'tokenFile',
  dc: 'dc',
  consistency: 'consistency',
  verify: 'verify',
  cacert: 'cacert',
  cert: 'cert',
  key: 'key',
  checks: 'checks',
  register_service: 'registerService',
  service_tags: 'serviceTags',
  service_check_interval: 'serviceCheckIntervalSeconds',
  service_check_tls_server_name: 'serviceCheckTlsServerName',
  fast_failover: 'fastFailover',
};

/**
 * What an agent that runs can't change: what tells its member and its data from others, where it listens and is reached, and
 * what other processes were started with.
 */
const fixed: Readonly<Record<string, Part>> = {
  scope: ({ scope }) => scope,
  namespace: ({ namespace }) => namespace,
  name: ({ name }) => name,
  ha: ({ ha }) => ha,
  ...Object.fromEntries(
    Object.entries(consulParts).map(([name, part]) => [`consul.${name}`, ({ consul }: AgentConfig) => consul[part]]),
  ),
  'restapi.listen': ({ restapi }) => restapi.listen,
  'restapi.connect_address': ({ restapi }) => restapi.connectAddress,
  'restapi.certfile': ({ restapi }) => restapi.tls === null,
  'restapi.verify_client': ({ restapi }) => restapi.tls?.verifyClient ?? null,
  'postgresql.listen': ({ postgresql: { listen, address } }) => [listen, address.host, address.port],
  'postgresql.connect_address': ({ postgresql }) => postgresql.connectAddress,
  'postgresql.database': ({ postgresql }) => postgresql.address.database,
  'postgresql.data_dir': ({ postgresql }) => postgresql.dataDir,
  'postgresql.bin_dir': ({ postgresql: { control } }) => (control.kind === 'pg_ctl' ? control.binDir : null),
  'postgresql.commands': ({ postgresql: { control } }) => (control.kind === 'commands' ? control : null),
  'postgresql.pg_ctl_timeout': ({ postgresql }) => postgresql.pgCtlTimeoutSeconds,
  'postgresql.pgpass': ({ postgresql, managed }) => [postgresql.credentials.passfile, managed?.postgresql.pgpass],
  'postgresql.config_dir': ({ managed }) => managed?.postgresql.configDir,
  'postgresql.user': ({ managed }) => managed?.postgresql.user,
  watchdog: ({ managed }) => managed?.watchdog,
  'log.format': ({ log }) => log.format,
};

/** What a file that was read again changes in an agent that runs with `running`. Everything that can't change stays as it is. */
export function adopt(running: AgentConfig, read: AgentConfig): Adopted {
  const kept = Object.entries(fixed).flatMap(([name, part]) => (equal(part(running), part(read)) ? [] : [name]));
  const isOtherKind = running.ha !== read.ha;
  return {
    kept,
    config: {
      ...running,
      consul: adoptConsul(running.consul, read.consul),
      restapi: adoptRest(running.restapi, read.restapi),
      postgresql: adoptPostgres(running.postgresql, read.postgresql),
      tags: read.tags,
      log: { ...running.log, level: read.log.level },
      managed: isOtherKind ? running.managed : adoptManaged(running.managed, read.managed),
      unused: read.unused,
      notes: read.notes,
    },
  };
}

/** A token that went into a file, or came out of it, is taken over with that. */
function adoptConsul(running: ConsulConfig, read: ConsulConfig): ConsulConfig {
  return running.tokenFile === read.tokenFile ? { ...running, token: read.token } : running;
}

function adoptRest(running: RestConfig, read: RestConfig): RestConfig {
  const { authentication, allowlist, allowlistIncludeMembers, extraHeaders } = read;
  const tls =
    running.tls === null || read.tls === null ? running.tls : { ...read.tls, verifyClient: running.tls.verifyClient };
  return { ...running, authentication, allowlist, allowlistIncludeMembers, extraHeaders, tls };
}

function adoptPostgres(running: PostgresConfig, read: PostgresConfig): PostgresConfig {
  const { passfile } = running.credentials;
  const { credentials, replicationCredentials } = read;
  return {
    ...running,
    credentials: { ...credentials, passfile },
    replicationCredentials: replicationCredentials === null ? null : { ...replicationCredentials, passfile },
  };
}

function adoptManaged(running: ManagedConfig | null, read: ManagedConfig | null): ManagedConfig | null {
  if (running === null || read === null) return running;
  const { pgpass, configDir, user } = running.postgresql;
  return { ...read, watchdog: running.watchdog, postgresql: { ...read.postgresql, pgpass, configDir, user } };
}
