import type { ClusterKeys, SlotHistoryEntry } from '../domain/cluster.ts';
import { formatLsn, type Lsn } from '../domain/lsn.ts';
import type { Gap, Verdict } from '../domain/slot.ts';
import { currentStatus } from '../view/select.ts';
import { describeGate, describePromotion, type SlotRow, type SlotSummary, type TemplateRow } from './explain.ts';

/** Slots as JSON, for `GET /slots` and `slotkeeper slots --json`. Positions as PostgreSQL prints them and in bytes. */
type JsonFields = Readonly<Record<string, unknown>>;

export function summaryToJson({ slot, type, database, plugin, position, members }: SlotSummary): JsonFields {
  return {
    slot,
    type,
    ...(database === null ? {} : { database }),
    ...(plugin === null ? {} : { plugin }),
    ...positionToJson(position),
    members: members.map(rowToJson),
  };
}

function rowToJson({ member, verdict, position, lagBytes, method }: SlotRow): JsonFields {
  return {
    member,
    ...verdictToJson(verdict),
    ...(method === null ? {} : { method }),
    ...positionToJson(position),
    lag_bytes: bytesToJson(lagBytes),
  };
}

function verdictToJson(verdict: Verdict): JsonFields {
  return verdict.kind === 'ready' ? { verdict: verdict.kind } : { verdict: verdict.kind, reason: verdict.reason };
}

function positionToJson(position: Lsn | null): JsonFields {
  return position === null
    ? { position: null, position_bytes: null }
    : { position: formatLsn(position), position_bytes: Number(position) };
}

function bytesToJson(bytes: bigint | null): number | null {
  return bytes === null ? null : Number(bytes);
}

export function templateToJson({ member, database, position, lagBytes }: TemplateRow): JsonFields {
  return { member, database, ...positionToJson(position), lag_bytes: bytesToJson(lagBytes) };
}

/** Null = none is kept, or nothing is known of it: `summary` says which. */
export function gateToJson(keys: ClusterKeys): JsonFields {
  const gate = currentStatus(keys)?.extras?.gate ?? null;
  return {
    enforced_by: gate?.enforcedBy ?? null,
    waited_for: gate?.slots ?? [],
    left_out: [...(gate?.leftOut ?? [])].map(([slot, why]) => ({ slot, why })),
    summary: describeGate(keys),
  };
}

export function lostToJson(keys: ClusterKeys): readonly JsonFields[] {
  return [...(keys.status?.value?.extras?.lost ?? [])].map(([slot, { from, why, atWallMs }]) => ({
    ...gapToJson({ slot, from, to: null, why }),
    at: isoTime(atWallMs),
  }));
}

/** Null = outside of the range that a Date has: the value comes from a key that anybody may have written. */
function isoTime(wallMs: number): string | null {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** What each promotion did to the slots: the key `slot_history`, oldest first. */
export function historyToJson(entries: readonly SlotHistoryEntry[]): readonly JsonFields[] {
  return entries.map((entry) => ({
    timeline: entry.timeline,
    leader: entry.leader,
    timestamp: entry.timestamp,
    summary: describePromotion(entry),
    slots: entry.slots.map(({ slot, type, verdict, position, method }) => ({
      slot,
      type,
      ...verdictToJson(verdict),
      ...(method === undefined ? {} : { method }),
      ...positionToJson(position),
    })),
    gaps: entry.gaps.map(gapToJson),
  }));
}

function gapToJson({ slot, from, to, why }: Gap): JsonFields {
  return {
    slot,
    from: formatLsn(from),
    to: to === null ? null : formatLsn(to),
    bytes: to === null || to < from ? null : Number(to - from),
    why,
  };
}
