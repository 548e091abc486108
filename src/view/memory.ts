import type { Action, Outcome } from '../domain/action.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import { xidPrecedes } from '../domain/xid.ts';
import { protectionOf } from './chain.ts';
import type { FollowedSlot } from './select.ts';
import { excludedBecause, findSlot, followedSlots, freshLook, logicalSlots } from './select.ts';
import type { Memory, SlotMemory, View } from './view.ts';

/** How many writes of `status` may follow each other at once, and how many a second refill that. */
export const statusBurst = 20;
export const statusRefillPerSecond = 1;

export function noMemory(nowMs: number): Memory {
  return {
    slots: new Map(),
    movedAtMs: null,
    standing: null,
    promotion: null,
    born: new Map(),
    lastStatus: null,
    membersIndex: { proven: 0, next: 0, nextAtMs: nowMs },
    missing: { names: '', sinceMs: nowMs },
    copies: new Map(),
    statusBudget: { tokens: statusBurst, atMs: nowMs },
    statusWrittenAtMs: null,
    memberWrittenAtMs: null,
    service: null,
    checkReportedAtMs: null,
  };
}

const unknownSlot: SlotMemory = { protectedFrom: null, aheadSinceMs: null, lastAdvance: null };

/** What newer keys add to the memory. */
export function memoryAfterKeys(view: View, keys: ClusterKeys): Memory {
  const index = membersIndexOf(keys);
  const { membersIndex } = view.memory;
  return {
    ...view.memory,
    lastStatus: keys.status?.value ?? view.memory.lastStatus,
    membersIndex: index === membersIndex.next ? membersIndex : { ...membersIndex, next: index, nextAtMs: view.nowMs },
  };
}

/** The highest `ModifyIndex` among the keys of standbys that other members stream from. */
function membersIndexOf(keys: ClusterKeys): number {
  const upstreams = new Set([...keys.members.values()].map((key) => key.value?.extras?.upstream ?? null));
  let highest = 0;
  for (const [name, key] of keys.members) {
    if (name !== leaderName(keys) && upstreams.has(name)) highest = Math.max(highest, key.modifyIndex);
  }
  return highest;
}

/** What a look that began at `startedAtMs` adds to the memory: movement, births on a primary, a promotion. */
export function memoryAfterLook(view: View, look: ServerLook, startedAtMs: number): Memory {
  const { proven, next, nextAtMs } = view.memory.membersIndex;
  const memory = { ...view.memory, membersIndex: { proven: startedAtMs >= nextAtMs ? next : proven, next, nextAtMs } };
  const before = view.local.look;
  if (before === null || before.systemIdentifier !== look.systemIdentifier) return memory;
  const moved = movedSlots(before, look) ? view.nowMs : memory.movedAtMs;
  if (look.role === 'standby') return { ...memory, movedAtMs: moved, born: new Map(), promotion: null };
  if (before.role === 'standby') {
    return {
      ...memory,
      movedAtMs: view.nowMs,
      born: new Map(),
      promotion:
        memory.standing === null
          ? null
          : { timeline: look.timeline, atWallMs: view.nowWallMs, before: memory.standing },
    };
  }
  return { ...memory, movedAtMs: moved, born: bornBetween(memory.born, before, look) };
}

function movedSlots(before: ServerLook, look: ServerLook): boolean {
  const positions = new Map(logicalSlots(before).map((slot) => [slot.name, slot.confirmedFlushLsn]));
  return logicalSlots(look).some((slot) => positions.get(slot.name) !== slot.confirmedFlushLsn);
}

function bornBetween(born: ReadonlyMap<string, Lsn>, before: ServerLook, look: ServerLook): ReadonlyMap<string, Lsn> {
  const old = new Set(before.slots.map((slot) => slot.name));
  const next = new Map<string, Lsn>();
  for (const slot of logicalSlots(look)) {
    const first = old.has(slot.name) ? born.get(slot.name) : slot.confirmedFlushLsn;
    if (first != null) next.set(slot.name, first);
  }
  return next;
}

export function memoryAfterStart(view: View, action: Action): Memory {
  const { memory } = view;
  if (action.kind === 'publish_status') {
    const tokens = statusTokens(view) - 1;
    return {
      ...memory,
      statusBudget: { tokens: Math.max(0, tokens), atMs: view.nowMs },
      statusWrittenAtMs: view.nowMs,
    };
  }
  if (action.kind === 'publish_member') return { ...memory, memberWrittenAtMs: view.nowMs };
  return memory;
}

/** Writes of `status` that are left now. */
export function statusTokens(view: View): number {
  const { tokens, atMs } = view.memory.statusBudget;
  return Math.min(statusBurst, tokens + ((view.nowMs - atMs) / 1_000) * statusRefillPerSecond);
}

export function memoryAfterOutcome(view: View, outcome: Extract<Outcome, { kind: 'done' }>): Memory {
  const { memory } = view;
  const { action, result } = outcome.done;
  switch (action.kind) {
    case 'advance_logical_slot':
    case 'advance_physical_slot': {
      const { slot, target } = action;
      const before = memory.slots.get(slot) ?? unknownSlot;
      const lastAdvance = {
        endedAtMs: outcome.endedAtMs,
        tookMs: outcome.endedAtMs - outcome.startedAtMs,
        target,
        reached: typeof result === 'bigint' ? result : target,
      };
      return { ...memory, slots: new Map(memory.slots).set(slot, { ...before, lastAdvance }) };
    }
    case 'copy_slots': {
      const copies = new Map(memory.copies);
      const slots = new Map(memory.slots);
      for (const { name } of action.request.slots) {
        copies.set(name, { count: (copies.get(name)?.count ?? 0) + 1, lastAtMs: view.nowMs });
        slots.delete(name);
      }
      return { ...memory, copies, slots };
    }
    case 'publish_slot_history':
      return { ...memory, promotion: null };
    case 'register_service':
      return { ...memory, service: { state: action.service, atMs: view.nowMs }, checkReportedAtMs: view.nowMs };
    case 'report_check':
      return result === 'unknown'
        ? { ...memory, service: null }
        : {
            ...memory,
            checkReportedAtMs: view.nowMs,
            service:
              memory.service === null
                ? null
                : { ...memory.service, state: { ...memory.service.state, slots: action.check } },
          };
    default:
      return memory;
  }
}

/** What follows for the memory from the view as a whole, after each observation: level-triggered, so it can't be missed. */
export function remember(view: View): View {
  const look = freshLook(view);
  const followed = followedSlots(view);
  if (look === null) return view;
  if (look.role === 'primary' || followed === null) {
    // Without the primary's slots nothing is known to be protected any more; how slots moved is kept.
    const slots = new Map(
      [...view.memory.slots].map(([name, slot]) => [name, { ...slot, protectedFrom: null, aheadSinceMs: null }]),
    );
    return { ...view, memory: { ...view.memory, slots } };
  }
  const slots = new Map(view.memory.slots);
  for (const slot of followed) slots.set(slot.name, memoryOf(view, look, slot));
  for (const name of slots.keys()) if (findSlot(look, name) === undefined) slots.delete(name);
  const excluded = excludedBecause(view) !== null;
  const missing = followed.filter((slot) => !excluded && findSlot(look, slot.name) === undefined);
  const names = missing.map((slot) => slot.name).join(',');
  return {
    ...view,
    memory: {
      ...view.memory,
      slots,
      missing: names === view.memory.missing.names ? view.memory.missing : { names, sinceMs: view.nowMs },
    },
  };
}

/** Keeps what a standby knows of its slots while it knows it, for the record of a promotion. */
export function withStanding(view: View): View {
  const look = freshLook(view);
  const followed = followedSlots(view);
  if (look?.role !== 'standby' || followed === null) return view;
  const published = new Map(followed.map((slot) => [slot.name, slot.position]));
  return {
    ...view,
    memory: { ...view.memory, standing: { timeline: look.timeline, verdicts: view.verdicts, published } },
  };
}

function memoryOf(view: View, look: ServerLook, followed: FollowedSlot): SlotMemory {
  const before = view.memory.slots.get(followed.name) ?? unknownSlot;
  const local = findSlot(look, followed.name);
  if (local?.type !== 'logical' || local.catalogXmin === null)
    return { ...before, protectedFrom: null, aheadSinceMs: null };
  const ahead = local.confirmedFlushLsn !== null && local.confirmedFlushLsn > followed.position;
  const isProtected = protectionOf(view, local.catalogXmin).kind === 'protected';
  const from = before.protectedFrom ?? followed.report.catalogXmin;
  return {
    ...before,
    aheadSinceMs: ahead ? (before.aheadSinceMs ?? view.nowMs) : null,
    // Once the slot has passed the mark, its own catalog_xmin is what the chain protects: the mark need not be kept.
    protectedFrom: !isProtected
      ? null
      : from !== null && xidPrecedes(from, local.catalogXmin)
        ? local.catalogXmin
        : from,
  };
}
