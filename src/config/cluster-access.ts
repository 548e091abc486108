import type { Problem } from '../domain/problem.ts';
import { readDocument, readSource } from './document.ts';
import { overlay, overlayEnvironment, type Environment, type Overlaid, type Setting } from './environment.ts';
import { child, isAbsent, isMap, optional, ownValue, wrong, type Field } from './field.ts';
import { namespace, segment } from './names.ts';
import { consulSection, type ConsulConfig } from './sections/consul.ts';
import { restAccess, type RestAccess } from './sections/ctl.ts';

/** What a command needs to look at a cluster: where Consul is, and which keys. */
export interface ClusterAccess {
  readonly scope: string;
  readonly namespace: string;
  readonly consul: ConsulConfig;
  readonly rest: RestAccess;
}

/** What the command line says of it; null = nothing. */
export interface AccessOptions {
  /** An agent's configuration, a patroni.yml or a patronictl.yaml. */
  readonly configFile: string | null;
  /** host:port or URL. */
  readonly consul: string | null;
  readonly scope: string | null;
  readonly namespace: string | null;
  readonly tokenFile: string | null;
}

/** Finds a cluster: the command line wins over the environment, which wins over the configuration file. */
export async function loadClusterAccess(
  options: AccessOptions,
  env: Environment,
): Promise<{ readonly access: ClusterAccess } | { readonly problems: readonly Problem[] }> {
  const path = options.configFile ?? env['PATRONICTL_CONFIG_FILE'] ?? '';
  const source = path === '' ? '' : await readSource(path);
  if (typeof source !== 'string') return source;
  const document = readDocument(source, (file) => overlayOptions(overlayEnvironment(file, env), options));
  if ('problems' in document) return document;
  const { read, problems } = document.decode(declaration);
  return read === wrong ? { problems } : { access: read };
}

function overlayOptions(below: Overlaid, options: AccessOptions): Overlaid {
  const given: Setting[] = [
    ['--scope', ['scope'], options.scope],
    ['--namespace', ['namespace'], options.namespace],
  ];
  if (options.consul !== null) {
    // All that says where Consul is comes from one place.
    for (const key of ['host', 'port', 'scheme']) given.push(['--consul', ['consul', key], null]);
    given.push(['--consul', ['consul', 'url'], options.consul]);
  }
  if (options.tokenFile !== null) {
    given.push(
      ['--token-file', ['consul', 'token'], null],
      ['--token-file', ['consul', 'token_file'], options.tokenFile],
    );
  }
  // A null takes away what is below; an option that was not given leaves it.
  const counts = given.filter(([name, , value]) => value !== null || name === '--consul' || name === '--token-file');
  return overlay(below, counts);
}

/** The rest of the file is none of a command's business, so it is not checked either. */
const declaration: Field<ClusterAccess> = (value, place) => {
  const at = <T>(key: string, field: Field<T>): T | typeof wrong =>
    field(isMap(value) ? ownValue(value, key) : undefined, child(place, key));
  const scope = at('scope', segment('the name of the cluster (--scope)'));
  const space = at('namespace', optional(namespace, 'service'));
  const consul = at('consul', (section, there) => consulSection(isAbsent(section) ? {} : section, there));
  const rest = restAccess(value, place);
  if (scope === wrong || space === wrong || consul === wrong || rest === wrong) return wrong;
  return { scope, namespace: space, consul, rest };
};
