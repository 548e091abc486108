import { loadClusterAccess, type AccessOptions, type ClusterAccess } from '../config/cluster-access.ts';
import { decodeDynamicConfig, type Reader } from '../config/dynamic.ts';
import { createConsulClient, type ConsulClient } from '../consul/client.ts';
import { decodeKeys } from '../consul/codec.ts';
import { scopeKeys, type ScopeKeys } from '../consul/keys.ts';
import type { KvEntry } from '../consul/port.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import { ConfigurationError, mistakes } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** A person is waiting. */
const requestTimeoutMs = 10_000;

/** A cluster's keys as they were at one moment. */
export interface ClusterReading {
  readonly access: ClusterAccess;
  readonly names: ScopeKeys;
  readonly keys: ClusterKeys;
  /** The key `config` as it is in Consul; null = it does not exist. */
  readonly config: KvEntry | null;
  readonly configProblems: readonly Problem[];
  readonly consul: ConsulClient;
}

/**
 * Finds the cluster, reads its keys and hands them to `use`. Throws ConfigurationError when it is not clear which
 * cluster is meant or where Consul is, ConsulError when Consul does not answer.
 */
export async function withCluster<T>(
  options: AccessOptions,
  terminal: Terminal,
  use: (reading: ClusterReading) => Promise<T> | T,
): Promise<T> {
  const loaded = await loadClusterAccess(options, terminal.env);
  if ('problems' in loaded) {
    const file = options.configFile === null ? '' : ` in ${options.configFile}`;
    const what = `it is not clear which cluster is meant: ${mistakes(loaded.problems)}${file}`;
    throw new ConfigurationError(what, loaded.problems);
  }
  const { access } = loaded;
  const names = scopeKeys(access.namespace, access.scope);
  const consul = createConsulClient({ ...access.consul, requestTimeoutMs });
  try {
    const read = await consul.readPrefix(names.prefix, { index: 0, waitMs: 0, signal: terminal.stop });
    const { keys } = decodeKeys(names, read, decodeDynamicConfig);
    const config = read.entries.find(({ key }) => key === names.config) ?? null;
    const configProblems = config === null ? [] : decodeDynamicConfig(config.value ?? '', readerOf(keys)).problems;
    return await use({ access, names, keys, config, configProblems, consul });
  } finally {
    consul.close();
  }
}

/** Where leaderships are listed, agents lead, and a mistake in what counts for that is one. */
export function readerOf({ terms }: ClusterKeys): Reader {
  return terms === null ? null : 'manage';
}
