import { leaderName, type ClusterKeys, type SlotHistoryEntry } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { SlotVerdict, Verdict } from '../domain/slot.ts';
import { currentStatus } from '../view/select.ts';

/** One slot on one member. Lags in bytes. */
export interface SlotRow {
  readonly slot: string;
  readonly type: 'logical' | 'physical';
  readonly member: string;
  readonly verdict: Verdict;
  readonly position: Lsn | null;
  /** How far the slot here is behind the same slot on the primary; null = not known. */
  readonly lagBytes: bigint | null;
}

/** One slot of the cluster, as the leader describes it, with what every member says of it. */
export interface SlotSummary {
  readonly slot: string;
  readonly type: 'logical' | 'physical';
  /** Null on physical slots, and on those that the leader does not describe. */
  readonly database: string | null;
  readonly plugin: string | null;
  /** The consumer's position on the primary; null = not known. */
  readonly position: Lsn | null;
  readonly members: readonly SlotRow[];
}

/**
 * Every slot × member, sorted by slot and member, from what the members and the leader have published. `own` replaces
 * what this member's key says by what it knows now.
 */
export function slotSummaries(
  keys: ClusterKeys,
  own: { readonly member: string; readonly verdicts: readonly SlotVerdict[] } | null = null,
): readonly SlotSummary[] {
  const status = currentStatus(keys);
  const rows = new Map<string, SlotRow[]>();
  for (const [member, verdicts] of verdictsByMember(keys, own)) {
    for (const { slot, type, verdict, position } of verdicts) {
      const published = type === 'logical' ? status?.slots.get(slot) : undefined;
      const lagBytes = published === undefined || position === null ? null : atLeastZero(published - position);
      rows.set(slot, [...(rows.get(slot) ?? []), { slot, type, member, verdict, position, lagBytes }]);
    }
  }
  const names = new Set([...rows.keys(), ...(status?.extras?.logical.keys() ?? [])]);
  return [...names].sort().map((slot) => {
    const members = (rows.get(slot) ?? []).toSorted((a, b) => (a.member < b.member ? -1 : 1));
    const described = status?.extras?.logical.get(slot);
    return {
      slot,
      type: described === undefined ? (members[0]?.type ?? 'logical') : 'logical',
      database: described?.database ?? null,
      plugin: described?.plugin ?? null,
      position: status?.slots.get(slot) ?? null,
      members,
    };
  });
}

function verdictsByMember(
  keys: ClusterKeys,
  own: { readonly member: string; readonly verdicts: readonly SlotVerdict[] } | null,
): ReadonlyMap<string, readonly SlotVerdict[]> {
  const verdicts = new Map<string, readonly SlotVerdict[]>();
  for (const [name, key] of keys.members) verdicts.set(name, [...(key.value?.slots.values() ?? [])]);
  if (own !== null) verdicts.set(own.member, own.verdicts);
  return verdicts;
}

function atLeastZero(bytes: bigint): bigint {
  return bytes < 0n ? 0n : bytes;
}

/** Why nothing, or nothing new, can be said of the slots; null = all is known. */
export function slotsUnknownBecause(keys: ClusterKeys | null): string | null {
  if (keys === null) return 'nothing has been read from Consul yet';
  if (leaderName(keys) === null) return 'nobody holds the leader key';
  if (currentStatus(keys) === null) return 'the leader has not published its slots yet';
  return null;
}

/** What a promotion did to the slots, in one sentence. */
export function describePromotion({ slots, gaps }: SlotHistoryEntry): string {
  const logical = slots.filter(({ type }) => type === 'logical');
  const ready = logical.filter(({ verdict }) => verdict.kind === 'ready').length;
  const lost = gaps.length === 0 ? 'nothing lost' : `lost: ${gaps.map(({ slot }) => slot).join(', ')}`;
  return `${ready} of ${logical.length} slots were ready, ${lost}`;
}
