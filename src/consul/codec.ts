import { noKeys, type ClusterKeys, type Key, type Member } from '../domain/cluster.ts';
import type { DynamicConfig } from '../domain/config.ts';
import type { Problem } from '../domain/problem.ts';
import { decodeHistory, decodeSlotHistory } from './codec/history.ts';
import { decodeFailover, decodeFailsafe, decodeSync, decodeTerms } from './codec/lead.ts';
import { decodeMember } from './codec/member.ts';
import { describe, readWith, type Complain } from './codec/reading.ts';
import { decodeOptime, decodeStatus } from './codec/status.ts';
import { placeOf, type KeyPlace, type ScopeKeys } from './keys.ts';
import type { KvEntry, PrefixRead } from './port.ts';

/** Reads the value of the key `config`: `src/config/dynamic.ts`, handed in because the codec knows only Consul. */
export type DecodeConfig = (raw: string) => {
  readonly config: DynamicConfig | null;
  readonly problems: readonly Problem[];
};

/** A decoded read, with what is needed to decode the next one cheaply. */
export interface Decoded {
  readonly keys: ClusterKeys;
  readonly parts: ReadonlyMap<string, Part>;
}

/** One key that slotkeeper reads: the entry as it came and what was made of it. */
interface Part {
  readonly entry: KvEntry;
  readonly place: KeyPlace;
  readonly key: Key<unknown>;
}

/**
 * Decodes everything below the scope's prefix. Nothing in it, however hostile, makes this throw: a value that cannot be
 * read becomes a key with a problem. `previous` spares the decoding of values that have not changed, and keeps their
 * very objects, so that "has it changed" is a comparison of references.
 */
export function decodeKeys(
  names: ScopeKeys,
  read: PrefixRead,
  decodeConfig: DecodeConfig,
  previous: Decoded | null = null,
): Decoded {
  const parts = new Map<string, Part>();
  for (const entry of read.entries) {
    const place = placeOf(names, entry.key);
    if (place !== null) parts.set(entry.key, partOf(entry, place, decodeConfig, previous?.parts.get(entry.key)));
  }
  return { keys: assemble(read.index, parts), parts };
}

/** Whether the second, decoded with the first as its `previous`, shows nothing new; the index alone does not count. */
export function sameContent(before: Decoded, after: Decoded): boolean {
  if (before.parts.size !== after.parts.size) return false;
  return [...after.parts].every(([name, part]) => before.parts.get(name) === part);
}

function partOf(entry: KvEntry, place: KeyPlace, decodeConfig: DecodeConfig, before: Part | undefined): Part {
  if (before === undefined || before.entry.value !== entry.value) {
    return { entry, place, key: { ...stampOf(entry), ...decodeValue(entry, place, decodeConfig) } };
  }
  if (sameEntry(before.entry, entry)) return before;
  return { entry, place, key: { ...before.key, ...stampOf(entry) } };
}

function stampOf({
  createIndex,
  modifyIndex,
  session,
}: KvEntry): Pick<KvEntry, 'createIndex' | 'modifyIndex' | 'session'> {
  return { createIndex, modifyIndex, session };
}

/** Whether two reads of a key show the same: value, indexes and lock. */
function sameEntry(a: KvEntry, b: KvEntry): boolean {
  return (
    a.key === b.key &&
    a.modifyIndex === b.modifyIndex &&
    a.createIndex === b.createIndex &&
    a.session === b.session &&
    a.value === b.value
  );
}

function decodeValue(
  entry: KvEntry,
  place: KeyPlace,
  decodeConfig: DecodeConfig,
): Pick<Key<unknown>, 'value' | 'problem'> {
  const { kind } = place;
  if (kind === 'config') return decodeConfigValue(entry, decodeConfig);
  return readWith<unknown>(entry.key, (complain) => decoders[kind](entry.value ?? '', complain));
}

type Document<K> = K extends Key<infer T> | null ? T : never;
type Documents = { [K in keyof ClusterKeys]: Document<ClusterKeys[K]> } & { member: Member };

/** The decoder of each key gives what ClusterKeys has under that name. */
const decoders: {
  readonly [K in Exclude<KeyPlace['kind'], 'config'>]: (raw: string, complain: Complain) => Documents[K] | null;
} = {
  initialize: decodeInitialize,
  leader: decodeName,
  restartTurn: decodeName,
  member: decodeMember,
  status: decodeStatus,
  optimeLeader: decodeOptime,
  history: decodeHistory,
  slotHistory: decodeSlotHistory,
  failover: decodeFailover,
  sync: decodeSync,
  failsafe: decodeFailsafe,
  terms: decodeTerms,
};

function decodeConfigValue(entry: KvEntry, decodeConfig: DecodeConfig): Pick<Key<DynamicConfig>, 'value' | 'problem'> {
  const { config, problems } = decodeConfig(entry.value ?? '');
  return { value: config, problem: problems.length === 0 ? null : problems.map(({ what }) => what).join('; ') };
}

/** The key `initialize`: a system identifier, or nothing while somebody is bootstrapping the cluster. */
function decodeInitialize(raw: string, complain: Complain): string | null {
  if (/^[0-9]{0,20}$/.test(raw)) return raw;
  complain('', describe(raw), 'a system identifier in digits');
  return null;
}

/** A key that holds a member's name: `leader` and the restart turn. */
function decodeName(raw: string, complain: Complain): string | null {
  // Control characters must not reach a terminal through `list`.
  if (/^[^/\u0000-\u001f\u007f]{1,255}$/.test(raw)) return raw;
  complain('', describe(raw), "a member's name");
  return null;
}

function assemble(index: number, parts: ReadonlyMap<string, Part>): ClusterKeys {
  const members = new Map<string, unknown>();
  const keys: Record<string, unknown> = { ...noKeys, index, members };
  for (const { entry, place, key } of parts.values()) {
    if (place.kind === 'member') members.set(place.name, key);
    else keys[place.kind] = key;
    if (place.kind === 'config') keys['configText'] = entry.value;
  }
  // The table `decoders` has been checked to give the type that ClusterKeys has under each name.
  return keys as unknown as ClusterKeys;
}
