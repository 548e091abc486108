import type { ClusterKeys } from '../../../src/domain/cluster.ts';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { decodeKeys } from '../../../src/consul/codec.ts';
import { scopeKeys } from '../../../src/consul/keys.ts';
import type { KvEntry } from '../../../src/consul/port.ts';

export const keys = scopeKeys('service', 'main');

/** An entry of the scope; `path` without the prefix. */
export function entry(path: string, value: string | null, stamp: Partial<KvEntry> = {}): KvEntry {
  return { key: keys.prefix + path, value, createIndex: 5, modifyIndex: 7, session: null, ...stamp };
}

/** What the agent makes of these entries. */
export function decoded(...entries: readonly KvEntry[]): ClusterKeys {
  return decodeKeys(keys, { index: 9, entries }, decodeDynamicConfig).keys;
}
