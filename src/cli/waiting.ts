import { decodeDynamicConfig } from '../config/dynamic.ts';
import { decodeKeys } from '../consul/codec.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import type { ClusterReading } from './cluster.ts';

/** Consul answers a read that waits after this time, also when nothing is new. */
const waitMs = 1_000;

/** Reads the cluster's keys again whenever they change, until it is enough or time is up; resolves to what was seen last. */
export async function waitForKeys<T>(
  { consul, names }: ClusterReading,
  timeoutMs: number,
  signal: AbortSignal,
  look: (keys: ClusterKeys) => { readonly isEnough: boolean; readonly seen: T },
): Promise<T> {
  const untilMs = performance.now() + timeoutMs;
  for (let index = 0; ;) {
    const read = await consul.readPrefix(names.prefix, { index, waitMs, signal });
    const { isEnough, seen } = look(decodeKeys(names, read, decodeDynamicConfig).keys);
    if (isEnough || performance.now() >= untilMs) return seen;
    index = read.index;
  }
}
