import { leaderName, type ClusterKeys, type SlotHistoryEntry } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { Method, SlotVerdict, Verdict } from '../domain/slot.ts';
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
  /** How the slot gets onto this standby; null = on the primary, or the member does not say. */
  readonly method: Method | null;
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
    for (const { slot, type, verdict, position, method = null } of verdicts) {
      const published = type === 'logical' ? status?.slots.get(slot) : undefined;
      const lagBytes = published === undefined || position === null ? null : atLeastZero(published - position);
      rows.set(slot, [...(rows.get(slot) ?? []), { slot, type, member, verdict, position, lagBytes, method }]);
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

/** A template slot that is usable on a standby. */
export interface TemplateRow {
  readonly member: string;
  readonly database: string;
  readonly position: Lsn;
  /** How far it is behind the primary: WAL that it holds there; null = not known. */
  readonly lagBytes: bigint | null;
}

/** The template slots of every standby, by member and database. `own`: what this member knows now of its own. */
export function templateRows(
  keys: ClusterKeys,
  own: { readonly member: string; readonly templates: ReadonlyMap<string, Lsn> } | null = null,
): readonly TemplateRow[] {
  const optime = currentStatus(keys)?.optime ?? null;
  const byMember = new Map<string, ReadonlyMap<string, Lsn>>();
  for (const [name, { value }] of keys.members) byMember.set(name, value?.extras?.templates ?? new Map<string, Lsn>());
  if (own !== null) byMember.set(own.member, own.templates);
  return [...byMember].sort(byName).flatMap(([member, templates]) =>
    [...templates].sort(byName).map(([database, position]): TemplateRow => ({
      member,
      database,
      position,
      lagBytes: optime === null ? null : atLeastZero(optime - position),
    })),
  );
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** What the gate does, in one sentence: who is waited for, who is not and why, or that nothing enforces it. */
export function describeGate(keys: ClusterKeys): string {
  const extras = currentStatus(keys)?.extras ?? null;
  if (extras === null) return `not known: ${slotsUnknownBecause(keys) ?? 'the leader is not a slotkeeper'}`;
  const { gate } = extras;
  if (gate === null) return 'not enforced: failover_slots.standby_slot_names is not set';
  if (gate.enforcedBy === null)
    return 'not enforced: the primary has neither synchronized_standby_slots (PostgreSQL 17) nor pg_failover_slots';
  const waits = gate.slots.length === 0 ? 'consumers wait for nobody' : `consumers wait for ${gate.slots.join(', ')}`;
  const leftOut = [...gate.leftOut].map(([slot, why]) => `${slot} (${why})`).join(', ');
  return `enforced by ${gate.enforcedBy}: ${waits}${leftOut === '' ? '' : `; left out: ${leftOut}`}`;
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
