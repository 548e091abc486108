import type { Action, Outcome } from '../domain/action.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import type { Ledger } from '../domain/local.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import { bornAtPromotion, bornBetween } from './births.ts';
import { withMissedPromotion } from './missed-promotion.ts';
import { noLeadMemory } from './lead-memory.ts';
import { noNativeMemory } from './native-memory.ts';
import { noRequests } from './requests.ts';
import type { FollowedSlot } from './select.ts';
import { configOf, currentStatus, findSlot, followedSlots, freshLook, logicalSlots, membersWaiting } from './select.ts';
import { memoryOf, unknownSlot } from './slot-memory.ts';
import { gateAfterChange } from './standby-gate.ts';
import type { CopyMemory, Memory, View } from './view.ts';
import { excludedBecause } from './exclusion.ts';

/**
 * How many writes of `status` may follow each other at once, and how many a second refill that: with the member keys of
 * three members no minute has more than 90 writes.
 */
export const statusBurst = 12;
export const statusRefillPerSecond = 1;

/** Longer than the longest wait between two copies of a slot, so that a loop is never forgotten. */
const copyForgottenMs = 2 * 3_600_000;
/** An attempt that left the slot out restarted nothing for it: the wait for the next one does not grow beyond this. */
const maxSkippedCount = 3;

export function noMemory(nowMs: number): Memory {
  return {
    requests: noRequests,
    lead: noLeadMemory(nowMs),
    slots: new Map(),
    marksTimeline: null,
    movedAtMs: null,
    consumers: new Map(),
    walMovedAtMs: null,
    snapshotLoggedAtMs: null,
    awaitingSnapshot: { members: '', sinceMs: nowMs },
    uncreated: new Map(),
    native: noNativeMemory(nowMs),
    standing: null,
    formerSelf: null,
    promotion: null,
    born: new Map(),
    lastStatus: null,
    lastSlotHistory: [],
    membersIndex: { proven: 0, next: 0, nextAtMs: nowMs },
    missing: { names: '', sinceMs: nowMs },
    copies: new Map(),
    feedback: null,
    feedbackHurriedAtMs: null,
    gate: { slots: null, lastChange: null },
    statusBudget: { tokens: statusBurst, atMs: nowMs },
    statusWrittenAtMs: null,
    memberWrittenAtMs: null,
    service: null,
    checkReportedAtMs: null,
  };
}

/** What newer keys add to the memory. */
export function memoryAfterKeys(view: View, keys: ClusterKeys): Memory {
  const index = membersIndexOf(keys);
  const { membersIndex } = view.memory;
  return {
    ...view.memory,
    formerSelf: view.consul.keys === null ? (keys.members.get(view.self.name)?.value ?? null) : view.memory.formerSelf,
    lastStatus: keys.status?.value ?? view.memory.lastStatus,
    lastSlotHistory: keys.slotHistory?.value ?? view.memory.lastSlotHistory,
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

/** What a look that began at `startedAtMs` changes in the memory: movement, births on a primary, a promotion, a restart. */
export function memoryAfterLook(view: View, look: ServerLook, startedAtMs: number): Memory {
  const { proven, next, nextAtMs } = view.memory.membersIndex;
  const before = view.local.look;
  // A server that was started again may have been rebuilt, and what was set there before is gone.
  const feedback = before?.startedAtWallMs === look.startedAtWallMs ? view.memory.feedback : null;
  const membersIndex = { proven: startedAtMs >= nextAtMs ? next : proven, next, nextAtMs };
  const memory = { ...view.memory, feedback, membersIndex };
  if (before !== null && before.systemIdentifier !== look.systemIdentifier) return memory;
  if (look.role === 'standby') {
    const movedAtMs = before !== null && movedSlots(before, look) ? view.nowMs : memory.movedAtMs;
    return { ...memory, movedAtMs, born: new Map(), promotion: null };
  }
  if (before === null) return { ...memory, born: bornBetween(memory.born, null, look, view.ledger) };
  if (before.role === 'standby') {
    return {
      ...memory,
      movedAtMs: view.nowMs,
      born: bornAtPromotion(before, look, view.ledger),
      promotion:
        memory.standing === null
          ? null
          : { timeline: look.timeline, atWallMs: view.nowWallMs, before: memory.standing },
    };
  }
  return {
    ...memory,
    movedAtMs: movedSlots(before, look) ? view.nowMs : memory.movedAtMs,
    walMovedAtMs: before.currentLsn === look.currentLsn ? memory.walMovedAtMs : view.nowMs,
    born: bornBetween(memory.born, before, look, view.ledger),
  };
}

/**
 * What was remembered is read after the first look: a slot that is another one than it says must be known as such before
 * anything is published of it.
 */
export function memoryAfterLedger({ local, memory }: View, ledger: Ledger): Memory {
  if (local.look?.role !== 'primary') return memory;
  return { ...memory, born: bornBetween(memory.born, null, local.look, ledger) };
}

function movedSlots(before: ServerLook, look: ServerLook): boolean {
  const positions = new Map(logicalSlots(before).map((slot) => [slot.name, slot.confirmedFlushLsn]));
  return logicalSlots(look).some((slot) => positions.get(slot.name) !== slot.confirmedFlushLsn);
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
      const left = typeof result === 'object' && result !== null && 'skipped' in result ? result.skipped : [];
      const skipped = new Map(left.map(({ name, why }) => [name, why]));
      const wasFree = typeof result === 'object' && result !== null && 'downMs' in result && result.downMs === 0;
      const reports = currentStatus(view.consul.keys)?.extras?.logical;
      for (const { name } of action.request.slots) {
        const triedFrom = wasFree ? (reports?.get(name)?.restartLsn ?? null) : null;
        copies.set(name, copyAfter(copies.get(name), view.nowMs, skipped.get(name) ?? null, triedFrom));
        slots.delete(name);
      }
      return { ...memory, copies, slots };
    }
    case 'clone':
    case 'rewind':
      // No slot was copied into this data yet, which has cost a restart of its own.
      return { ...memory, copies: new Map() };
    case 'hurry_feedback':
      return { ...memory, feedbackHurriedAtMs: view.nowMs };
    case 'log_standby_snapshot':
      return { ...memory, snapshotLoggedAtMs: view.nowMs };
    case 'copy_from_template': {
      const slots = new Map(memory.slots);
      slots.delete(action.slot);
      return { ...memory, slots };
    }
    case 'set_feedback':
      return { ...memory, feedback: { mode: action.mode, atMs: view.nowMs } };
    case 'alter_settings':
      return { ...memory, gate: gateAfterChange(view, action) };
    case 'publish_slot_history':
      return { ...memory, promotion: null, formerSelf: null };
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

function copyAfter(
  before: CopyMemory | undefined,
  nowMs: number,
  skipped: string | null,
  triedFrom: Lsn | null,
): CopyMemory {
  const isForgotten = before === undefined || nowMs - before.lastAtMs > copyForgottenMs;
  const count = isForgotten ? 1 : before.count + 1;
  return {
    count: skipped === null ? count : Math.min(count, maxSkippedCount),
    lastAtMs: nowMs,
    skipped,
    triedFrom: skipped === null ? null : triedFrom,
  };
}

/** What follows for the memory from the view as a whole, after each observation: level-triggered, so it can't be missed. */
export function remember(view: View): View {
  const look = freshLook(view);
  const followed = followedSlots(view);
  if (look === null) return view;
  if (look.role === 'primary') return withMissedPromotion(withWaits(unfollowed(view, look), look), look);
  if (followed === null) return unfollowed(view, look);
  const marksTimeline = currentStatus(view.consul.keys)?.extras?.timeline ?? null;
  const isOtherPrimary = marksTimeline !== view.memory.marksTimeline;
  const slots = new Map(view.memory.slots);
  for (const slot of followed) slots.set(slot.name, memoryOf(view, look, slot, isOtherPrimary));
  for (const name of slots.keys()) if (findSlot(look, name) === undefined) slots.delete(name);
  const excluded = excludedBecause(view) !== null;
  const missing = followed.filter((slot) => !excluded && findSlot(look, slot.name) === undefined);
  const names = missing.map((slot) => slot.name).join(',');
  return {
    ...view,
    memory: {
      ...view.memory,
      slots,
      marksTimeline,
      consumers: consumersAfter(view, followed),
      missing: names === view.memory.missing.names ? view.memory.missing : { names, sinceMs: view.nowMs },
    },
  };
}

function consumersAfter(view: View, followed: readonly FollowedSlot[]): Memory['consumers'] {
  const before = view.memory.consumers;
  const isSame =
    followed.length === before.size && followed.every((slot) => before.get(slot.name)?.position === slot.position);
  if (isSame) return before;
  return new Map(
    followed.map(({ name, position }) => {
      const known = before.get(name);
      return [name, known?.position === position ? known : { position, movedAtMs: view.nowMs }];
    }),
  );
}

/**
 * Nobody publishes (the primary's agent restarts, say): the chain cannot be looked at. The physical slot at its upper
 * end keeps its catalog_xmin for as long as this server streams through it with feedback on.
 */
function unfollowed(view: View, look: ServerLook): View {
  if (view.memory.slots.size === 0) return view;
  const { hotStandbyFeedback, primarySlotName } = look.settings;
  const isKept = look.role === 'standby' && look.receiver !== null && hotStandbyFeedback && primarySlotName !== '';
  const slots = new Map(
    [...view.memory.slots].map(([name, slot]) => [
      name,
      { ...slot, ...(isKept ? {} : { protectedFrom: null, protectedSinceLsn: null }), aheadSinceMs: null },
    ]),
  );
  return { ...view, memory: { ...view.memory, slots } };
}

/** What this primary is waited for, and since when: nothing is waited for at full pace for ever. */
function withWaits(view: View, look: ServerLook): View {
  const before = view.memory.uncreated;
  const uncreated = new Map<string, number>();
  for (const [name, declared] of configOf(view).slots) {
    if (declared.type === 'logical' && findSlot(look, name) === undefined)
      uncreated.set(name, before.get(name) ?? view.nowMs);
  }
  const members = membersWaiting(view).join(',');
  const waiting = view.memory.awaitingSnapshot;
  const awaitingSnapshot = members === waiting.members ? waiting : { members, sinceMs: view.nowMs };
  return { ...view, memory: { ...view.memory, uncreated, awaitingSnapshot } };
}

/** Keeps what a standby knows of its slots while it knows it, for the record of a promotion. */
export function withStanding(view: View): View {
  const look = freshLook(view);
  const followed = followedSlots(view);
  if (look?.role !== 'standby' || followed === null) return view;
  // A look into a promotion can have the old role and the new timeline: its verdicts are not those of before.
  const timeline = currentStatus(view.consul.keys)?.extras?.timeline ?? look.timeline;
  if (look.receiver === null && look.timeline > timeline) return view;
  const published = new Map(followed.map((slot) => [slot.name, slot.position]));
  return {
    ...view,
    memory: { ...view.memory, standing: { timeline: look.timeline, verdicts: view.verdicts, published } },
  };
}
