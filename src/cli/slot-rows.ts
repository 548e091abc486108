import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import { slotNameFromMemberName, type Method, type SlotVerdict, type VerdictKind } from '../domain/slot.ts';
import { lagBytes } from './cluster-summary.ts';
import type { Colour } from './table.ts';

/** One slot on one member. */
export interface SlotRow {
  readonly slot: string;
  readonly type: 'logical' | 'physical' | null;
  readonly member: string;
  readonly role: 'leader' | 'replica';
  /** `primary`: the slot that the others follow. `unknown`: the member's agent says nothing of it. */
  readonly verdict: VerdictKind | 'primary' | 'unknown';
  readonly position: Lsn | null;
  /** Bytes behind the primary's slot; null on the primary, or where one of both is not known. */
  readonly lag_bytes: number | null;
  /** How the slot gets onto this standby; null = on the primary, or not known. */
  readonly method: Method | null;
  readonly reason: string;
}

/** Every slot that the leader publishes, a member reports or the configuration declares, by slot and member. */
export function slotRows(keys: ClusterKeys): readonly SlotRow[] {
  const status = keys.status?.value ?? null;
  const declared = keys.config?.value?.slots ?? new Map<string, { readonly type: 'logical' | 'physical' }>();
  const names = new Set([...declared.keys(), ...(status?.slots.keys() ?? []), ...(status?.extras?.lost.keys() ?? [])]);
  for (const { value } of keys.members.values()) for (const name of value?.slots.keys() ?? []) names.add(name);
  const leader = leaderName(keys);
  const members = [...keys.members.keys()].sort(
    (a, b) => Number(b === leader) - Number(a === leader) || (a < b ? -1 : 1),
  );
  return [...names].sort().flatMap((slot) => {
    const published = status?.slots.get(slot) ?? null;
    const types = [...keys.members.values()].flatMap(({ value }) => value?.slots.get(slot)?.type ?? []);
    const logical = status?.extras?.logical.has(slot) === true ? 'logical' : null;
    const type = declared.get(slot)?.type ?? types[0] ?? logical;
    const lost = status?.extras?.lost.get(slot) ?? null;
    // A member's own physical slot is on the servers that it may stream from, never on itself.
    const concerned = members.filter((member) => type !== 'physical' || slotNameFromMemberName(member) !== slot);
    return concerned.map((member): SlotRow => {
      const told = keys.members.get(member)?.value?.slots.get(slot) ?? null;
      const role = member === leader ? 'leader' : 'replica';
      if (role === 'leader' && (told === null || told.verdict.kind === 'ready')) {
        const reason = lost !== null ? lost.why : published === null ? 'not on the primary yet' : '';
        const verdict = lost !== null ? 'lost' : published === null ? 'not_ready' : 'primary';
        return { slot, type, member, role, verdict, position: published, lag_bytes: null, method: null, reason };
      }
      return { slot, type, member, role, ...toldOf(told, published) };
    });
  });
}

const nothing = { position: null, lag_bytes: null, method: null };

function toldOf(
  told: SlotVerdict | null,
  published: Lsn | null,
): Pick<SlotRow, 'verdict' | 'position' | 'lag_bytes' | 'method' | 'reason'> {
  if (told === null) return { ...nothing, verdict: 'unknown', reason: 'the member does not say' };
  const { verdict, position, method = null } = told;
  const lag = lagBytes(position, published);
  return {
    verdict: verdict.kind,
    position,
    lag_bytes: lag === 'unknown' ? null : lag,
    method,
    reason: verdict.kind === 'ready' ? '' : verdict.reason,
  };
}

/** How good or bad each verdict is to a person who looks at it. */
export const verdictColours: Readonly<Record<SlotRow['verdict'], Colour>> = {
  primary: 'green',
  ready: 'green',
  not_ready: 'yellow',
  ahead: 'yellow',
  orphan: 'yellow',
  unknown: 'yellow',
  lost: 'red',
};
