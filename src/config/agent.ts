import type { Tags } from '../domain/config.ts';
import type { Problem } from '../domain/problem.ts';
import { tagsFrom } from '../domain/tags.ts';
import { overlayEnvironment, type Environment } from './environment.ts';
import { bool, child, isAbsent, isMap, object, optional, refuse, unsupported, wrong, type Field } from './field.ts';
import { readDocument, readSource } from './document.ts';
import { namespace, segment } from './names.ts';
import { pathText } from './problems.ts';
import { consulSection, type ConsulConfig } from './sections/consul.ts';
import { logSection, type LogConfig } from './sections/log.ts';
import { postgresSection, type PostgresConfig } from './sections/postgresql.ts';
import { restSection, type RestConfig } from './sections/restapi.ts';

/** Everything that an agent is started with: its YAML file under Patroni's names, with the environment over it. */
export interface AgentConfig {
  readonly scope: string;
  /** Without slashes around it; the keys are below `<namespace>/<scope>/`. */
  readonly namespace: string;
  readonly name: string;
  readonly ha: 'observe';
  readonly consul: ConsulConfig;
  readonly restapi: RestConfig;
  readonly postgresql: PostgresConfig;
  readonly tags: Tags;
  readonly log: LogConfig;
  /** Settings of the file that say nothing to slotkeeper while something else promotes: told once, at the start. */
  readonly unused: readonly string[];
}

export type LoadedConfig = { readonly config: AgentConfig } | { readonly problems: readonly Problem[] };

/** Reads the agent's configuration file. Every mistake in it is listed; a file that cannot be read is one. */
export async function loadAgentConfig(path: string, env: Environment): Promise<LoadedConfig> {
  const source = await readSource(path);
  return typeof source === 'string' ? decodeAgentConfig(source, env) : source;
}

/** Reads the text of an agent's configuration file. */
export function decodeAgentConfig(source: string, env: Environment): LoadedConfig {
  const document = readDocument(source, (file) => overlayEnvironment(file, env));
  if ('problems' in document) return document;
  const { read, findings, problems } = document.decode(declaration);
  if (read === wrong) return { problems };
  const { scope, namespace, name, ha, consul, restapi, postgresql, tags, log } = read;
  const unused = findings.filter(({ kind }) => kind === 'unused').map(({ path }) => pathText(path));
  return { config: { scope, namespace, name, ha, consul, restapi, postgresql, tags, log, unused } };
}

const ha: Field<'observe'> = (value, place) => {
  if (isAbsent(value) || value === 'observe') return 'observe';
  if (value !== 'manage') return refuse(place, 'value', value, 'observe');
  return refuse(place, 'unsupported', value, 'this version of slotkeeper only observes; let another tool promote');
};

const flags = ['nofailover', 'nostream', 'clonefrom', 'noloadbalance', 'nosync'];

/** Any tag may be set; those that are flags are made true, or left out, as Patroni does. */
const tags: Field<Tags> = (value, place) => {
  if (isAbsent(value)) return tagsFrom({});
  if (!isMap(value)) return refuse(place, 'type', value, 'an object: tag → value');
  const raw: [string, unknown][] = [];
  let flawed = false;
  for (const [tag, given] of Object.entries(value)) {
    const read = flags.includes(tag) ? optional(bool, false)(given, child(place, tag)) : given;
    if (read === wrong) flawed = true;
    else if (!flags.includes(tag) || read === true) raw.push([tag, read]);
  }
  return flawed ? wrong : tagsFrom(Object.fromEntries(raw));
};

const consul: Field<ConsulConfig> = (value, place) => {
  if (value !== undefined) return consulSection(value ?? {}, place);
  return refuse(place, 'missing', value, 'a section, e.g. consul: {host: "127.0.0.1:8500"}');
};
const postgresql: Field<PostgresConfig> = (value, place) => postgresSection(value ?? {}, place);
const anotherStore = unsupported('slotkeeper keeps its keys in Consul only');

const declaration = object(
  {
    scope: segment('the name of the cluster'),
    namespace: optional(namespace, 'service'),
    name: segment('the name of this member'),
    ha,
    consul,
    restapi: restSection,
    postgresql,
    tags,
    log: (value, place) => logSection(value ?? {}, place),
    failover_slots: unsupported('this belongs into the cluster configuration: slotkeeper edit-config'),
    etcd: anotherStore,
    etcd3: anotherStore,
    zookeeper: anotherStore,
    exhibitor: anotherStore,
    raft: anotherStore,
    kubernetes: anotherStore,
    citus: unsupported('slotkeeper does not know Citus'),
  },
  'tell',
);
