import type { Tags } from '../domain/config.ts';
import type { Problem } from '../domain/problem.ts';
import { overlay, overlayEnvironment, type Environment, type Setting } from './environment.ts';
import {
  anything,
  child,
  isAbsent,
  isMap,
  object,
  optional,
  ownValue,
  refuse,
  unsupported,
  unused,
  wrong,
  type Field,
} from './field.ts';
import { readDocument, readSource } from './document.ts';
import { namespace, segment } from './names.ts';
import { pathText } from './problems.ts';
import { bootstrapSection, type BootstrapConfig } from './sections/bootstrap.ts';
import { consulSection, type ConsulConfig } from './sections/consul.ts';
import { peerAccess, type RestAccess } from './sections/ctl.ts';
import { logSection, type LogConfig } from './sections/log.ts';
import { managedPostgres, type ManagedPostgresConfig } from './sections/managed-postgresql.ts';
import { managedPostgresSection, postgresSection, type PostgresConfig } from './sections/postgresql.ts';
import { remoteMethodNames, replicaMethodNames } from './sections/replica-methods.ts';
import { restSection, type RestConfig } from './sections/restapi.ts';
import { tagsSection } from './sections/tags.ts';
import { watchdogSection, type WatchdogConfig } from './sections/watchdog.ts';

/** Everything that an agent is started with: its YAML file under Patroni's names, with the environment over it. */
export interface AgentConfig {
  readonly scope: string;
  /** Without slashes around it; the keys are below `<namespace>/<scope>/`. */
  readonly namespace: string;
  readonly name: string;
  readonly ha: Ha;
  readonly consul: ConsulConfig;
  readonly restapi: RestConfig;
  readonly postgresql: PostgresConfig;
  readonly tags: Tags;
  readonly log: LogConfig;
  /** What only counts with `ha: manage`; null = `ha: observe`. */
  readonly managed: ManagedConfig | null;
  /** Settings of the file that say nothing to slotkeeper: told once, at the start. */
  readonly unused: readonly string[];
  /** What else is to be told once, at the start. */
  readonly notes: readonly string[];
}

/** Whether slotkeeper promotes and demotes, or something else does. */
export type Ha = 'manage' | 'observe';

/** How the server is made, kept and guarded where slotkeeper manages it. */
export interface ManagedConfig {
  readonly postgresql: ManagedPostgresConfig;
  /** Null = this agent makes no cluster where there is none. */
  readonly bootstrap: BootstrapConfig | null;
  readonly watchdog: WatchdogConfig;
  /** How the other members' REST interfaces are asked (`failsafe_mode`). */
  readonly peers: RestAccess;
}

export type LoadedConfig = { readonly config: AgentConfig } | { readonly problems: readonly Problem[] };

/**
 * Reads the agent's configuration file. Every mistake in it is listed; a file that cannot be read is one. `given`: what the
 * command line says, which counts more than the environment, as that does more than the file.
 */
export async function loadAgentConfig(
  path: string,
  env: Environment,
  given: readonly Setting[] = [],
): Promise<LoadedConfig> {
  const source = await readSource(path);
  return typeof source === 'string' ? decodeAgentConfig(source, env, given) : source;
}

/** Reads the text of an agent's configuration file. */
export function decodeAgentConfig(source: string, env: Environment, given: readonly Setting[] = []): LoadedConfig {
  const document = readDocument(source, (file) => overlay(overlayEnvironment(file, env), given));
  if ('problems' in document) return document;
  const { read, findings, problems, notes } = document.decode(agentFile);
  if (read === wrong) return { problems };
  const unused = findings.filter(({ kind }) => kind === 'unused').map(({ path }) => pathText(path));
  return { config: { ...read, unused, notes } };
}

type AgentFile = Omit<AgentConfig, 'unused' | 'notes'>;

/** What a file says, by what its `ha` asks for. */
const agentFile: Field<AgentFile> = (file, place) => {
  const asked = isMap(file) ? ownValue(file, 'ha') : null;
  if (isMap(file) && isAbsent(asked) && !isAbsent(ownValue(file, 'bootstrap'))) {
    const note = 'with ha: manage slotkeeper would use the section bootstrap, and promote';
    place.report({ kind: 'adjusted', path: ['ha'], found: null, allowed: 'observe', note });
  }
  const mode = ha(asked, child(place, 'ha'));
  const read = asked === 'manage' ? managedFile(file, place) : observedFile(file, place);
  return mode === wrong ? wrong : read;
};

const ha: Field<Ha> = (value, place) => {
  if (isAbsent(value) || value === 'observe') return 'observe';
  return value === 'manage' ? 'manage' : refuse(place, 'value', value, 'manage, observe');
};

const consul: Field<ConsulConfig> = (value, place) => {
  if (value !== undefined) return consulSection(value ?? {}, place);
  return refuse(place, 'missing', value, 'a section, e.g. consul: {host: "127.0.0.1:8500"}');
};
const anotherStore = unsupported('slotkeeper keeps its keys in Consul only');

const common = {
  scope: segment('the name of the cluster'),
  namespace: optional(namespace, 'service'),
  name: segment('the name of this member'),
  ha: anything,
  consul,
  restapi: restSection,
  tags: tagsSection,
  log: ((value, place) => logSection(value ?? {}, place)) satisfies Field<LogConfig>,
  failover_slots: unsupported('this belongs into the cluster configuration: slotkeeper edit-config'),
  etcd: anotherStore,
  etcd3: anotherStore,
  zookeeper: anotherStore,
  exhibitor: anotherStore,
  raft: anotherStore,
  kubernetes: anotherStore,
  citus: unsupported('slotkeeper does not know Citus'),
};

const observed = object(
  {
    ...common,
    postgresql: (value, place) => postgresSection(value ?? {}, place),
    bootstrap: unused,
    watchdog: unused,
  },
  'tell',
);

/** A file where something else promotes. */
const observedFile: Field<AgentFile> = (file, place) => {
  const read = observed(file, place);
  if (read === wrong) return wrong;
  const { scope, namespace, name, consul, restapi, postgresql, tags, log } = read;
  return { scope, namespace, name, ha: 'observe', consul, restapi, postgresql, tags, log, managed: null };
};

/** The section says what it says of any server, and besides what only counts where slotkeeper manages it. */
function bothPostgres(
  remote: readonly string[],
): Field<{ readonly any: PostgresConfig; readonly managed: ManagedPostgresConfig }> {
  return (value, place) => {
    const section = value ?? {};
    const names = isMap(section) ? replicaMethodNames(section) : [];
    const any = managedPostgresSection([...names, ...remote])(section, place);
    const managed = isMap(section) ? managedPostgres(remote)(section, place) : wrong;
    return any === wrong || managed === wrong ? wrong : { any, managed };
  };
}

/** `remote`: the names of replica methods that the section `bootstrap` uses. */
const managed = (remote: readonly string[]) =>
  object(
    {
      ...common,
      postgresql: bothPostgres(remote),
      bootstrap: optional(bootstrapSection, null),
      watchdog: watchdogSection,
      ctl: anything,
    },
    'tell',
  );

/** A file where slotkeeper promotes. */
const managedFile: Field<AgentFile> = (file, place) => {
  const read = managed(isMap(file) ? remoteMethodNames(file) : [])(file, place);
  if (read === wrong) return wrong;
  const { scope, namespace, name, consul, restapi, postgresql, tags, log, bootstrap, watchdog } = read;
  const ctl = isMap(file) ? ownValue(file, 'ctl') : null;
  const peers = peerAccess(restapi)(ctl, child(place, 'ctl'));
  if (peers === wrong) return wrong;
  return {
    ...{ scope, namespace, name, ha: 'manage', consul, restapi, postgresql: postgresql.any, tags, log },
    managed: { postgresql: postgresql.managed, bootstrap, watchdog, peers },
  };
};
