import { leaderName, type ClusterKeys } from '../../domain/cluster.ts';
import { formatLsn, type Lsn } from '../../domain/lsn.ts';
import type { Gap, Verdict } from '../../domain/slot.ts';
import { describePromotion, slotsUnknownBecause, slotSummaries, type SlotRow, type SlotSummary } from '../explain.ts';
import { json, type Answer, type Moment } from './answer.ts';
import { nothingRead } from './cluster.ts';
import { contactStatus } from './member-status.ts';

/**
 * `/slots`: every slot with its verdict, reason, position and lag on every member; `?history` adds what each promotion
 * did to the slots. Positions as PostgreSQL prints them and in bytes.
 */
export function answerSlots({ turn: { view }, nowMs }: Moment, query: URLSearchParams): Answer {
  const { keys, contact } = view.consul;
  if (keys === null) return nothingRead();
  const own = { member: view.self.name, verdicts: view.verdicts };
  const unknown = slotsUnknownBecause(keys);
  return json(200, {
    scope: view.self.scope,
    leader: leaderName(keys),
    ...(unknown === null ? {} : { unknown }),
    slots: slotSummaries(keys, own).map(summaryToJson),
    lost: lostToJson(keys),
    ...(query.has('history') ? { history: historyToJson(keys) } : {}),
    consul: contactStatus(contact, nowMs),
  });
}

function summaryToJson({
  slot,
  type,
  database,
  plugin,
  position,
  members,
}: SlotSummary): Readonly<Record<string, unknown>> {
  return {
    slot,
    type,
    ...(database === null ? {} : { database }),
    ...(plugin === null ? {} : { plugin }),
    ...positionToJson(position),
    members: members.map(rowToJson),
  };
}

function rowToJson({ member, verdict, position, lagBytes }: SlotRow): Readonly<Record<string, unknown>> {
  return {
    member,
    ...verdictToJson(verdict),
    ...positionToJson(position),
    lag_bytes: lagBytes === null ? null : Number(lagBytes),
  };
}

function verdictToJson(verdict: Verdict): Readonly<Record<string, unknown>> {
  return verdict.kind === 'ready' ? { verdict: verdict.kind } : { verdict: verdict.kind, reason: verdict.reason };
}

function positionToJson(position: Lsn | null): Readonly<Record<string, unknown>> {
  return position === null
    ? { position: null, position_bytes: null }
    : { position: formatLsn(position), position_bytes: Number(position) };
}

function lostToJson(keys: ClusterKeys): readonly unknown[] {
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

function historyToJson(keys: ClusterKeys): readonly unknown[] {
  return (keys.slotHistory?.value ?? []).map((entry) => ({
    timeline: entry.timeline,
    leader: entry.leader,
    timestamp: entry.timestamp,
    summary: describePromotion(entry),
    slots: entry.slots.map(({ slot, type, verdict, position }) => ({
      slot,
      type,
      ...verdictToJson(verdict),
      ...positionToJson(position),
    })),
    gaps: entry.gaps.map(gapToJson),
  }));
}

function gapToJson({ slot, from, to, why }: Gap): Readonly<Record<string, unknown>> {
  return { slot, from: formatLsn(from), to: to === null ? null : formatLsn(to), why };
}
